//! Writes to engines that take part in no transaction of ours.
//!
//! Whoever gives up waiting for such a write ends its transaction, and releases its locks; the engine may finish the write
//! all the same, after what it was for has been discarded. So a row says that it is under way, from before it begins until
//! its end is known, and whoever removes what was discarded does so again until no such row is left.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Postgres, postgres::PgArguments, query::Query};

use crate::error::Result;

/// Age from which on a write is over, whatever became of it: no engine is at one for a day.
pub const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A write that may be under way.
#[derive(Debug)]
#[must_use = "a write that is never closed is waited for"]
pub struct OpenWrite(i64);

impl OpenWrite {
    /// Says that something is about to be written for this scope; if that fails, nothing may be. Dropped, it stays open.
    pub async fn open(pool: &PgPool, scope: &str) -> Result<Self> {
        let id = sqlx::query_scalar!(
            "insert into platform.open_writes (scope) values ($1) returning id",
            scope
        )
        .fetch_one(pool)
        .await?;
        Ok(Self(id))
    }

    /// Says, once this transaction commits, that the engine has answered.
    pub async fn close(self, tx: &mut PgConnection) -> Result<()> {
        sqlx::query!("delete from platform.open_writes where id = $1", self.0)
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Whether a write for this scope may be under way.
pub async fn any(pool: &PgPool, scope: &str) -> Result<bool> {
    let any = sqlx::query_scalar!(
        r#"select exists (select from platform.open_writes
                          where scope = $1 and opened_at > now() - make_interval(secs => $2)) as "any!""#,
        scope,
        LONGEST.as_secs_f64()
    )
    .fetch_one(pool)
    .await?;
    Ok(any)
}

/// Removes up to `limit` rows of writes that are long over.
pub(crate) fn expired(limit: i64) -> Query<'static, Postgres, PgArguments> {
    sqlx::query!(
        "delete from platform.open_writes where id in (
             select id from platform.open_writes where opened_at < now() - make_interval(secs => $1) limit $2)",
        LONGEST.as_secs_f64(),
        limit
    )
}
