//! The events consumer groups could not take: which they are, what administrators see of them, and the way back.

use std::collections::HashSet;

use sqlx::{PgConnection, PgPool, types::time::OffsetDateTime};
use uuid::Uuid;

use super::{CHANNEL, Event};
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
    /// Refusals after the first try.
    pub tries: i32,
    /// Why it could not be taken; absent for one that was not tried and waits behind an earlier event of its key.
    pub reason: Option<String>,
    /// Whether that passes by itself: then it is tried for as long as it takes.
    pub passing: bool,
    /// Whether it is taken without an administrator, as far as it is its own affair.
    pub retrying: bool,
    /// When it is tried next; absent for one that waits behind another.
    pub next_try_at: Option<OffsetDateTime>,
    /// When the event was written.
    pub created_at: OffsetDateTime,
}

/// Parked events in the order of the log, after a position and group; followers that only wait are among them.
pub async fn list(pool: &PgPool, after: &(i64, String), limit: i64) -> Result<Vec<Parked>> {
    Ok(sqlx::query_as!(
        Parked,
        r#"select p.event_id, p.group_name, e.type as event_type, p.key, p.position, p.tries,
               p.last_error as reason, p.passing, p.retrying, p.next_try_at, e.created_at
           from platform.parked_events p join platform.events e on e.id = p.event_id
           where (p.position, p.group_name) > ($1, $2) order by p.position, p.group_name limit $3"#,
        after.0,
        after.1,
        limit
    )
    .fetch_all(pool)
    .await?)
}

/// Those of these events that a group has parked.
pub async fn among(tx: &mut PgConnection, group: &str, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
    let parked = sqlx::query_scalar!(
        "select event_id from platform.parked_events where group_name = $1 and event_id = any($2)",
        group,
        ids
    )
    .fetch_all(tx)
    .await?;
    Ok(parked.into_iter().collect())
}

/// The others of these events, in the order of the log.
pub async fn others(tx: &mut PgConnection, group: &str, ids: &[Uuid]) -> Result<Vec<Event>> {
    Ok(sqlx::query_as!(
        Event,
        r#"select e.id, e.type as event_type, e.key, e.position as "position!", e.payload, e.created_at,
               e.headers ->> 'traceparent' as traceparent
           from platform.events e where e.id = any($2) and not exists (
               select from platform.parked_events p where p.group_name = $1 and p.event_id = e.id)
           order by e.position"#,
        group,
        ids
    )
    .fetch_all(tx)
    .await?)
}

/// Gives a parked event all its tries again, at once, and if it waits behind an earlier event of its key then that one;
/// answers the groups that have it parked.
pub async fn replay(pool: &PgPool, event_id: Uuid) -> Result<Vec<String>> {
    let mut tx = postgres::begin(pool).await?;
    let groups = sqlx::query_scalar!(
        "update platform.parked_events first set retrying = true, tries = 0, pause_seconds = 0, next_try_at = now()
         from platform.parked_events p
         where p.event_id = $1 and first.group_name = p.group_name and first.key = p.key and first.next_try_at is not null
         returning first.group_name",
        event_id
    )
    .fetch_all(&mut *tx)
    .await?;
    wake(&mut tx).await?;
    tx.commit().await?;
    Ok(groups)
}

/// Which parked events; what is absent does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of one consumer group.
    pub group: Option<String>,
    /// Those of one type.
    pub event_type: Option<String>,
    /// Those whose reason has this in it.
    pub reason: Option<String>,
}

/// Gives all that match all their tries again, at once; answers how many. Those that only wait behind others are not among
/// them: they follow.
pub async fn replay_all(pool: &PgPool, filter: &Filter) -> Result<u64> {
    let mut tx = postgres::begin(pool).await?;
    let replayed = sqlx::query!(
        "update platform.parked_events p set retrying = true, tries = 0, pause_seconds = 0, next_try_at = now()
         from platform.events e
         where e.id = p.event_id and p.next_try_at is not null and ($1::text is null or p.group_name = $1)
           and ($2::text is null or e.type = $2) and ($3::text is null or position($3 in p.last_error) > 0)",
        filter.group,
        filter.event_type,
        filter.reason
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    wake(&mut tx).await?;
    tx.commit().await?;
    Ok(replayed)
}

/// Wakes the groups when this transaction commits.
async fn wake(tx: &mut PgConnection) -> Result<()> {
    sqlx::query("select pg_notify($1, '')")
        .bind(CHANNEL)
        .execute(tx)
        .await?;
    Ok(())
}
