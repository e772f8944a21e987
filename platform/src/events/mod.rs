//! Events: what a consumer group does with one, exactly once.
//!
//! Whatever carries the log ([`EventLog`](crate::ports::event_log::EventLog)), the handler's effect and its inbox row share a
//! transaction: each event has its effect on a group once. One that its handler refuses is parked with its reason and
//! retried; later events of the same key wait behind it, other keys go on.

pub mod parked;

use async_trait::async_trait;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    postgres,
};

/// The channel that wakes the groups: the log has grown, or a parked event is to be tried again.
pub const CHANNEL: &str = "smartcourse_events";

/// Events a group takes in one transaction at most.
pub const READ_BATCH: usize = 100;
/// Tries of a parked event before it waits for an administrator.
pub const MAX_TRIES: i32 = 10;

/// A committed event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Identity; the same in every delivery.
    pub id: Uuid,
    /// Such as `course.published`.
    pub event_type: String,
    /// Id of the aggregate; order is kept per key.
    pub key: String,
    /// Place in the log, rising: for whoever carries it.
    pub position: i64,
    /// JSON of the message in proto/events.
    pub payload: Value,
    /// When it was written.
    pub created_at: OffsetDateTime,
}

impl Event {
    /// The payload as the message its type stands for. Fails when it is another message: nothing mends that, so the
    /// event is parked.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.payload)
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

/// Takes the group for this transaction, waiting for its owner: meanwhile the group takes no event.
pub async fn hold_group(tx: &mut PgConnection, group: &str) -> Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(group)
        .execute(tx)
        .await?;
    Ok(())
}

/// Takes the group for this transaction unless somebody else has it: whoever delivers to it does so first.
pub async fn own_group(tx: &mut PgConnection, group: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        "select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as \"owner!\"",
        group
    )
    .fetch_one(tx)
    .await?)
}

/// The effect of one event on a group that is owned, or its parking.
pub async fn take(tx: &mut PgConnection, consumer: &dyn Consumer, event: &Event) -> Result<()> {
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
async fn apply(tx: &mut PgConnection, consumer: &dyn Consumer, event: &Event) -> Result<()> {
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
pub async fn retry_parked(tx: &mut PgConnection, consumer: &dyn Consumer, mut room: usize) -> Result<usize> {
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
