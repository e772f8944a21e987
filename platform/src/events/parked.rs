//! The events consumer groups could not take: what administrators see of them, and the way back.

use sqlx::{PgPool, types::time::OffsetDateTime};
use uuid::Uuid;

use super::CHANNEL;
use crate::{error::Result, postgres};

/// An event that is parked for a group.
#[derive(Debug, Clone, PartialEq)]
pub struct Parked {
    /// The event.
    pub event_id: Uuid,
    /// The group that could not take it.
    pub group_name: String,
    /// Type of the event.
    pub event_type: String,
    /// Key of the event.
    pub key: String,
    /// Its place in the log.
    pub position: i64,
    /// Failed tries after the first.
    pub tries: i32,
    /// Why.
    pub reason: String,
    /// Whether it is tried again by itself.
    pub retrying: bool,
    /// When.
    pub next_try_at: OffsetDateTime,
    /// When the event was written.
    pub created_at: OffsetDateTime,
}

/// Parked events in the order of the log, after a position and group; followers that only wait are among them.
pub async fn list(pool: &PgPool, after: &(i64, String), limit: i64) -> Result<Vec<Parked>> {
    Ok(sqlx::query_as!(
        Parked,
        r#"select p.event_id, p.group_name, e.type as event_type, p.key, p.position, p.tries,
               coalesce(p.last_error, '') as "reason!", p.retrying, p.next_try_at, e.created_at
           from platform.parked_events p join platform.events e on e.id = p.event_id
           where (p.position, p.group_name) > ($1, $2) order by p.position, p.group_name limit $3"#,
        after.0,
        after.1,
        limit
    )
    .fetch_all(pool)
    .await?)
}

/// Gives a parked event all its tries again, at once; answers the groups that have it parked.
pub async fn replay(pool: &PgPool, event_id: Uuid) -> Result<Vec<String>> {
    let mut tx = postgres::begin(pool).await?;
    let groups = sqlx::query_scalar!(
        "update platform.parked_events set retrying = true, tries = 0, next_try_at = now() where event_id = $1
         returning group_name",
        event_id
    )
    .fetch_all(&mut *tx)
    .await?;
    sqlx::query("select pg_notify($1, '')")
        .bind(CHANNEL)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(groups)
}
