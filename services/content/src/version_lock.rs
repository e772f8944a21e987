//! The lock that orders writes and discards of a version, and the open writes of what takes part in no transaction.

use smartcourse_platform::{
    Error, Result,
    open_writes::OpenWrite,
    postgres::{self, Tx},
};
use smartcourse_proto::ids::VersionId;
use sqlx::PgPool;

use crate::State;

/// A transaction under which engines are written to. Until it ends, no discard of the version can begin.
pub(crate) struct Write {
    pub(crate) tx: Tx,
    open: OpenWrite,
}

impl Write {
    /// Begins one. What an engine does for it may come later than its end, so it is known from before it begins.
    pub(crate) async fn begin(state: &State, version: VersionId) -> Result<Self> {
        let open = OpenWrite::open(&state.pool, &scope(version)).await?;
        let tx = begin_write(state, version).await?;
        Ok(Self { tx, open })
    }

    /// Commits; every engine has answered.
    pub(crate) async fn commit(mut self) -> Result<()> {
        self.open.close(&mut self.tx).await?;
        self.tx.commit().await?;
        Ok(())
    }
}

pub(crate) fn scope(version: VersionId) -> String {
    format!("content/{}/{}", version.course_id, version.version)
}

/// Begins the transaction under which rows of a version are written: until it ends, no discard can begin.
pub(crate) async fn begin_write(state: &State, version: VersionId) -> Result<Tx> {
    let mut tx = postgres::begin(&state.pool).await?;
    sqlx::query!(
        "insert into content.versions (course_id, version, model) values ($1, $2, $3) on conflict do nothing",
        version.course_id.0,
        version.version,
        state.deps.models.main().model()
    )
    .execute(&mut *tx)
    .await?;
    let discarded = sqlx::query_scalar!(
        r#"select state = 'discarded' as "discarded!" from content.versions where course_id = $1 and version = $2 for share"#,
        version.course_id.0,
        version.version
    )
    .fetch_one(&mut *tx)
    .await?;
    refuse_discarded(discarded, version)?;
    Ok(tx)
}

fn refuse_discarded(discarded: bool, version: VersionId) -> Result<()> {
    match discarded {
        true => Err(Error::discarded(version.version)),
        false => Ok(()),
    }
}

/// Refuses long work for a discarded version before it begins; the lock at its end decides.
pub(crate) async fn require_open(pool: &PgPool, version: VersionId) -> Result<()> {
    let discarded = sqlx::query_scalar!(
        r#"select state = 'discarded' as "discarded!" from content.versions where course_id = $1 and version = $2"#,
        version.course_id.0,
        version.version
    )
    .fetch_optional(pool)
    .await?;
    refuse_discarded(discarded.unwrap_or(false), version)
}
