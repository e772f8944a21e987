//! The event log: the outbox table itself, read by consumer groups.
//!
//! A row gets its `position` only after its commit, from one sequencer at a time (advisory lock), so a group that has
//! read position *p* has seen everything below it. A group reads its events in order; one that its handler refuses is
//! parked with its reason and retried, later events of the same key wait behind it, other keys go on. The handler's
//! effect and its inbox row share a transaction: each event has its effect on a group once.

pub mod parked;

use std::time::Duration;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, PgPool, types::time::OffsetDateTime};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    fault,
    lifecycle::Lifecycle,
    postgres,
    waker::Waker,
};

/// The channel that wakes the groups: an event that has no position yet is nothing to them.
pub(crate) const PLACED: &str = "smartcourse_events";

/// Events that get their position in one transaction.
pub const PLACE_BATCH: i64 = 500;
/// Rows of the log a group looks at in one transaction.
const READ_BATCH: usize = 100;
/// Tries of a parked event before it waits for an administrator.
pub const MAX_TRIES: i32 = 10;
/// Advisory lock of the sequencer; groups lock their own name's hash.
const SEQUENCER_LOCK: i64 = 0x5343_5345_5155;

/// A committed event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Identity; the same in every delivery.
    pub id: Uuid,
    /// Such as `course.published`.
    pub event_type: String,
    /// Id of the aggregate; order is kept per key.
    pub key: String,
    /// Place in the log, rising from 1.
    pub position: i64,
    /// JSON of the message in proto/events.
    pub payload: Value,
    /// When it was written.
    pub created_at: OffsetDateTime,
}

impl Event {
    /// The payload as the message its type stands for.
    ///
    /// # Errors
    /// When it is another message: nothing mends that, so the event is parked.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.payload.clone())
            .map_err(|error| Error::internal(format!("{} cannot be read", self.event_type)).because(error))
    }
}

/// What a group does with an event.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Name of the group; a new name reads the log from its start.
    fn group(&self) -> &'static str;
    /// Whether the group cares about this type.
    fn wants(&self, event_type: &str) -> bool;
    /// Most events taken in one transaction. The locks an effect takes are held until the last of them: few for one that
    /// makes others wait.
    fn batch(&self) -> usize {
        READ_BATCH
    }
    /// The effect, through this connection only: it commits together with the inbox row.
    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()>;
}

/// Gives committed events their positions; answers how many.
pub async fn place(pool: &PgPool) -> Result<i64> {
    let mut tx = postgres::begin(pool).await?;
    let owner = sqlx::query_scalar!(
        "select pg_try_advisory_xact_lock($1) as \"owner!\"",
        SEQUENCER_LOCK
    )
    .fetch_one(&mut *tx)
    .await?;
    if !owner {
        return Ok(0);
    }
    let placed = sqlx::query!(
        "with unplaced as (
             select id, row_number() over (order by seq) as n from platform.events where position is null
             order by seq limit $1
         )
         update platform.events e set position = (select coalesce(max(position), 0) from platform.events) + u.n
         from unplaced u where e.id = u.id",
        PLACE_BATCH
    )
    .execute(&mut *tx)
    .await?
    .rows_affected() as i64;
    if placed > 0 {
        fault::point("relay.place", "before_commit");
        sqlx::query("select pg_notify($1, '')")
            .bind(PLACED)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(placed)
}

/// Tells the groups of a process, over one connection of this pool, when the log has grown; `poll` is the longest pause.
pub fn waker(pool: PgPool, poll: Duration, life: Lifecycle) -> Waker {
    Waker::new(pool, PLACED, poll, life)
}

/// Reads the log for one group until the process stops; `waker` is a clone of the process's.
///
/// # Errors
/// Never for a dead database: it is waited for.
pub async fn consume(pool: PgPool, consumer: impl Consumer, mut waker: Waker) -> Result<()> {
    while !waker.is_over() {
        waker.look();
        match look(&pool, &consumer).await {
            Ok(look) if look.more => continue,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(group = consumer.group(), error = %error.chain(), "reading the log again soon");
            }
        }
        waker.wait().await;
    }
    Ok(())
}

/// Takes the next batch of a group, parked events first; answers how many log rows it moved past.
///
/// # Errors
/// When the database does not answer.
pub async fn consume_batch(pool: &PgPool, consumer: &impl Consumer) -> Result<i64> {
    Ok(look(pool, consumer).await?.moved)
}

/// What one transaction of a group did.
#[derive(Debug, Default)]
struct Look {
    /// Rows of the log it moved past.
    moved: i64,
    /// It ended because it was full: the next has something to do at once.
    more: bool,
}

async fn look(pool: &PgPool, consumer: &impl Consumer) -> Result<Look> {
    let group = consumer.group();
    let mut tx = postgres::begin(pool).await?;
    let owner = sqlx::query_scalar!(
        "select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as \"owner!\"",
        group
    )
    .fetch_one(&mut *tx)
    .await?;
    if !owner {
        return Ok(Look::default());
    }
    sqlx::query!(
        "insert into platform.event_groups (name) values ($1) on conflict do nothing",
        group
    )
    .execute(&mut *tx)
    .await?;
    // Parked events never take all the room: the others go on.
    let mut room = retry_parked(&mut tx, consumer, consumer.batch()).await?.max(1);
    let events = sqlx::query_as!(
        Event,
        "select e.id, e.type as event_type, e.key, e.position as \"position!\", e.payload, e.created_at
         from platform.events e, platform.event_groups g
         where g.name = $1 and e.position > g.position order by e.position limit $2",
        group,
        READ_BATCH as i64
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut taken = false;
    let mut seen = None;
    let mut moved = 0;
    for event in &events {
        if consumer.wants(&event.event_type) {
            if room == 0 {
                break;
            }
            take(&mut tx, consumer, event).await?;
            room -= 1;
            taken = true;
        }
        seen = Some(event.position);
        moved += 1;
    }
    if let Some(position) = seen {
        sqlx::query!(
            "update platform.event_groups set position = $2 where name = $1",
            group,
            position
        )
        .execute(&mut *tx)
        .await?;
    }
    if taken {
        fault::point(&format!("consumer.{group}"), "before_commit");
    } else if moved > 0 {
        // Nothing but the position moved: losing that in a crash costs another look, so it need not wait for the disk.
        sqlx::query("set local synchronous_commit = off")
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    if taken {
        fault::point(&format!("consumer.{group}"), "after_commit");
    }
    Ok(Look {
        moved,
        more: room == 0 || events.len() == READ_BATCH,
    })
}

/// Takes the group for this transaction, waiting for its owner, and answers the position it has read up to. Meanwhile
/// the group reads nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn hold_group(tx: &mut PgConnection, group: &str) -> Result<i64> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(group)
        .execute(&mut *tx)
        .await?;
    let position = sqlx::query_scalar!(
        "select position from platform.event_groups where name = $1",
        group
    )
    .fetch_optional(tx)
    .await?;
    Ok(position.unwrap_or(0))
}

/// The effect of one event, or its parking.
async fn take(tx: &mut PgConnection, consumer: &impl Consumer, event: &Event) -> Result<()> {
    let group = consumer.group();
    let behind = sqlx::query_scalar!(
        "select exists (select 1 from platform.parked_events where group_name = $1 and key = $2 and position < $3) as \"behind!\"",
        group,
        event.key,
        event.position
    )
    .fetch_one(&mut *tx)
    .await?;
    if behind {
        return park(tx, group, event, "waits behind an earlier event of its key").await;
    }
    match apply(tx, consumer, event).await {
        Ok(()) => Ok(()),
        Err(error) => {
            tracing::error!(group, event = %event.id, error = %error.chain(), "event parked");
            park(tx, group, event, &error.chain()).await
        }
    }
}

/// Inbox row and effect under one savepoint.
async fn apply(tx: &mut PgConnection, consumer: &impl Consumer, event: &Event) -> Result<()> {
    let mut savepoint = postgres::savepoint(tx).await?;
    let first = sqlx::query!(
        "insert into platform.inbox (group_name, event_id) values ($1, $2) on conflict do nothing",
        consumer.group(),
        event.id
    )
    .execute(&mut *savepoint)
    .await?
    .rows_affected();
    if first == 1 {
        consumer.handle(&mut savepoint, event).await?;
    }
    savepoint.commit().await?;
    Ok(())
}

async fn park(tx: &mut PgConnection, group: &str, event: &Event, reason: &str) -> Result<()> {
    sqlx::query!(
        "insert into platform.parked_events (group_name, event_id, key, position, tries, last_error, next_try_at)
         values ($1, $2, $3, $4, 0, $5, now() + interval '1 second')
         on conflict (group_name, event_id) do update set tries = platform.parked_events.tries + 1, last_error = $5,
             next_try_at = now() + make_interval(secs => least(300, power(2, platform.parked_events.tries))),
             retrying = platform.parked_events.tries + 1 < $6",
        group,
        event.id,
        event.key,
        event.position,
        reason,
        MAX_TRIES
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Tries the first parked event of each key that is due; its followers become due when it is done. There is room for so
/// many; answers what is left of it.
async fn retry_parked(tx: &mut PgConnection, consumer: &impl Consumer, mut room: usize) -> Result<usize> {
    let group = consumer.group();
    while room > 0 {
        let due = sqlx::query_as!(
            Event,
            "select e.id, e.type as event_type, e.key, p.position, e.payload, e.created_at
             from platform.parked_events p join platform.events e on e.id = p.event_id
             where p.group_name = $1 and p.retrying and p.next_try_at <= now() and not exists (
                 select 1 from platform.parked_events q where q.group_name = $1 and q.key = p.key and q.position < p.position)
             order by p.position limit $2",
            group,
            room as i64
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut progress = false;
        for event in &due {
            room -= 1;
            match apply(tx, consumer, event).await {
                Ok(()) => {
                    sqlx::query!(
                        "delete from platform.parked_events where group_name = $1 and event_id = $2",
                        group,
                        event.id
                    )
                    .execute(&mut *tx)
                    .await?;
                    sqlx::query!(
                        "update platform.parked_events set next_try_at = now() where group_name = $1 and key = $2",
                        group,
                        event.key
                    )
                    .execute(&mut *tx)
                    .await?;
                    progress = true;
                }
                Err(error) => park(tx, group, event, &error.chain()).await?,
            }
        }
        if !progress {
            break;
        }
    }
    Ok(room)
}
