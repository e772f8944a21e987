//! Tasks that were given up: what administrators see of them, and the way back.

use serde_json::Value;
use sqlx::{PgPool, types::time::OffsetDateTime};
use uuid::Uuid;

use super::store;
use crate::{error::Result, fault, postgres};

/// A task that was given up.
#[derive(Debug, Clone, PartialEq)]
pub struct Dead {
    /// Its id.
    pub id: Uuid,
    /// Which handler could not do it.
    pub kind: String,
    /// What the handler had to know.
    pub payload: Value,
    /// Runs until it was given up.
    pub tries: i32,
    /// Why the last one failed.
    pub reason: String,
    /// When it was asked for.
    pub created_at: OffsetDateTime,
    /// When it was given up.
    pub finished_at: OffsetDateTime,
}

/// Dead tasks, of one kind or of all, the latest first, after this [place](Dead::place).
pub async fn list(
    pool: &PgPool,
    kind: Option<&str>,
    after: Option<(i64, Uuid)>,
    limit: i64,
) -> Result<Vec<Dead>> {
    let (micros, id) = after.unzip();
    Ok(sqlx::query_as!(
        Dead,
        r#"select id, kind, payload, tries, coalesce(last_error, '') as "reason!", created_at,
               finished_at as "finished_at!"
           from platform.tasks
           where state = 'dead' and ($1::text is null or kind = $1)
             and ($2::bigint is null
                  or (finished_at, id) < (timestamptz 'epoch' + $2 * interval '1 microsecond', $3::uuid))
           order by finished_at desc, id desc limit $4"#,
        kind,
        micros,
        id,
        limit
    )
    .fetch_all(pool)
    .await?)
}

/// Puts a dead task back, with all its tries; false when there is no dead one with this id.
pub async fn replay(pool: &PgPool, id: Uuid) -> Result<bool> {
    let mut tx = postgres::begin(pool).await?;
    let revived = store::replay(&mut tx, id).await?;
    fault::commit(tx, "tasks.replay").await?;
    Ok(revived)
}

impl Dead {
    /// Where the list goes on after this task: the place [`list`] takes.
    pub fn place(&self) -> (i64, Uuid) {
        let micros = self.finished_at.unix_timestamp_nanos() / 1000;
        // A time whose microseconds do not fit is some 290,000 years away.
        (i64::try_from(micros).unwrap_or(i64::MAX), self.id)
    }
}
