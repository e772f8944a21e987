//! Events: what a consumer group does with one, exactly once.
//!
//! Whatever carries the log ([`EventLog`](crate::ports::event_log::EventLog)), the handler's effect and its inbox row share a
//! transaction: each event has its effect on a group once. One that cannot be taken is parked with its reason and retried;
//! later events of the same key wait behind it, other keys go on. A refusal has so many tries; what passes by itself, such
//! as a server that is away, uses up none.

pub mod parked;

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use smartcourse_telemetry::{catalogue::EVENTS, trace};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use tracing::{Instrument as _, Span, field::Empty};
use uuid::Uuid;

use crate::{
    error::{Error, Kind, Result},
    postgres,
};

/// The channel that wakes the groups: the log has grown, or a parked event is to be tried again.
pub const CHANNEL: &str = "smartcourse_events";

/// Events a group takes in one transaction at most.
pub const READ_BATCH: usize = 100;
/// Tries of a parked event that is refused before it waits for an administrator.
pub const MAX_TRIES: i32 = 10;
/// Longest pause between two tries, in seconds; the first is one second and each doubles the one before.
pub const MAX_PAUSE: i32 = 300;

/// A committed event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The trace of what it comes from.
    pub traceparent: Option<String>,
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
    /// The effects of several, in this order. When it fails none of them has any, and each is handled by itself.
    async fn handle_all(&self, tx: &mut PgConnection, events: &[&Event]) -> Result<()> {
        for event in events {
            self.handle(&mut *tx, event).await?;
        }
        Ok(())
    }
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

/// An event that was not taken: why, or nothing where it waits behind another of its key.
type NotTaken<'e> = (&'e Event, Option<Error>);

/// Whether the cause passes without anybody mending anything.
fn passes(error: &Error) -> bool {
    matches!(error.kind(), Kind::Unavailable | Kind::Timeout | Kind::TooMany)
}

/// The effects of events, in the order of the log, on a group that is owned; those that cannot be taken are parked. Answers those
/// of them that were refused, and why; what passes by itself is no refusal.
///
/// # Errors
/// When the transaction is lost, as with its connection: nothing is parked then, and the batch has to be read again.
pub async fn take<'e>(
    tx: &mut PgConnection,
    consumer: &dyn Consumer,
    events: &[&'e Event],
) -> Result<Vec<(&'e Event, Error)>> {
    let group = consumer.group();
    let keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    let parked = sqlx::query!(
        r#"select key, min(position) as "position!" from platform.parked_events
           where group_name = $1 and key = any($2) and next_try_at is not null group by key"#,
        group,
        &keys as &[&str]
    )
    .fetch_all(&mut *tx)
    .await?;
    let parked: HashMap<String, i64> = parked.into_iter().map(|row| (row.key, row.position)).collect();
    let (behind, free): (Vec<&'e Event>, Vec<&'e Event>) = events.iter().partition(|event| {
        parked
            .get(&event.key)
            .is_some_and(|first| *first <= event.position)
    });
    let mut left = apply(tx, consumer, &free).await?;
    for (event, error) in &left {
        match error {
            Some(error) if passes(error) => {
                tracing::warn!(group, event = %event.id, error = %error.chain(), "event parked until the cause has passed");
            }
            Some(error) => tracing::error!(group, event = %event.id, error = %error.chain(), "event parked"),
            None => {}
        }
    }
    left.extend(behind.into_iter().map(|event| (event, None)));
    EVENTS.add((events.len() - left.len()) as u64, [group, "taken"]);
    EVENTS.add(left.len() as u64, [group, "parked"]);
    park(tx, group, &left).await?;
    let refused = left
        .into_iter()
        .filter_map(|(event, error)| Some((event, error?)));
    Ok(refused.filter(|(_, error)| !passes(error)).collect())
}

/// Takes events in their order, all at once if that goes; answers those that were not taken.
async fn apply<'e>(
    tx: &mut PgConnection,
    consumer: &dyn Consumer,
    events: &[&'e Event],
) -> Result<Vec<NotTaken<'e>>> {
    let refusal = match attempt(tx, consumer, events).await? {
        Ok(()) => return Ok(Vec::new()),
        Err(refusal) => refusal,
    };
    if let [only] = events {
        return Ok(vec![(only, Some(refusal))]);
    }
    let mut waiting = HashSet::new();
    let mut left = Vec::new();
    for event in events {
        if waiting.contains(&event.key) {
            left.push((*event, None));
        } else if let Err(refusal) = attempt(tx, consumer, &[event]).await? {
            waiting.insert(&event.key);
            left.push((*event, Some(refusal)));
        }
    }
    Ok(left)
}

/// The effects under one savepoint, or the refusal. Fails when the transaction is lost: then whatever came next would fail
/// as well, through no fault of the events.
async fn attempt(tx: &mut PgConnection, consumer: &dyn Consumer, events: &[&Event]) -> Result<Result<()>> {
    let Err(refusal) = effects(tx, consumer, events).await else {
        return Ok(Ok(()));
    };
    // Goes behind the rollback to the savepoint, and fails with it.
    match postgres::lives(tx).await {
        Ok(()) => Ok(Err(refusal)),
        Err(lost) => {
            tracing::debug!(error = %lost.chain(), "the transaction is lost");
            Err(refusal)
        }
    }
}

/// Inbox rows and effects under one savepoint; those the inbox knows have had theirs.
async fn effects(tx: &mut PgConnection, consumer: &dyn Consumer, events: &[&Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let mut savepoint = postgres::savepoint(tx).await?;
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    let new = sqlx::query_scalar!(
        "insert into platform.inbox (group_name, event_id) select $1, unnest($2::uuid[]) on conflict do nothing
         returning event_id",
        consumer.group(),
        &ids
    )
    .fetch_all(&mut *savepoint)
    .await?;
    let new: HashSet<Uuid> = new.into_iter().collect();
    let events: Vec<&Event> = events
        .iter()
        .copied()
        .filter(|event| new.contains(&event.id))
        .collect();
    let spans: Vec<Span> = events.iter().map(|event| span(consumer.group(), event)).collect();
    // The statements of a batch are in the trace of its first event.
    let first = spans.first().cloned().unwrap_or_else(Span::none);
    let effects = consumer.handle_all(&mut savepoint, &events);
    effects.instrument(first).await?;
    savepoint.commit().await?;
    Ok(())
}

/// The span of an event that is handled, in the trace of what it comes from.
fn span(group: &str, event: &Event) -> Span {
    let (kind, id) = (&event.event_type, event.id);
    trace::join(
        event.traceparent.as_deref(),
        || tracing::info_span!("event", otel.name = format!("{group} {kind}"), otel.kind = "consumer", trace_id = Empty, %group, %kind, event = %id),
    )
}

/// Parks events, and plans the next try of those that have an error.
async fn park(tx: &mut PgConnection, group: &str, events: &[NotTaken<'_>]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = events.iter().map(|(event, _)| event.id).collect();
    let keys: Vec<&str> = events.iter().map(|(event, _)| event.key.as_str()).collect();
    let positions: Vec<i64> = events.iter().map(|(event, _)| event.position).collect();
    let errors: Vec<Option<String>> = events
        .iter()
        .map(|(_, error)| error.as_ref().map(Error::chain))
        .collect();
    let passing: Vec<bool> = events
        .iter()
        .map(|(_, error)| error.as_ref().is_some_and(passes))
        .collect();
    put_back(tx, &events.iter().map(|(event, _)| *event).collect::<Vec<_>>()).await?;
    // One that only waited so far has had no pause: this is its first try.
    sqlx::query!(
        "insert into platform.parked_events as known
             (group_name, event_id, key, position, last_error, passing, pause_seconds, next_try_at)
         select $1, e.id, e.key, e.position, e.error, e.passing, (e.error is not null)::int,
             case when e.error is not null then now() + interval '1 second' end
         from unnest($2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::boolean[]) e (id, key, position, error, passing)
         on conflict (group_name, event_id) do update set last_error = excluded.last_error, passing = excluded.passing,
             tries = known.tries + (known.pause_seconds > 0 and not excluded.passing)::int,
             retrying = excluded.passing or known.tries + 1 < $8,
             pause_seconds = least($7, greatest(1, 2 * known.pause_seconds)),
             next_try_at = now() + make_interval(secs => least($7, greatest(1, 2 * known.pause_seconds)))
         where excluded.last_error is not null",
        group,
        &ids,
        &keys as &[&str],
        &positions,
        &errors as &[Option<String>],
        &passing,
        MAX_PAUSE,
        MAX_TRIES
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Puts events into the table that are there no more: a parked one is tried from there, and a log that moves into the table needs all of
/// them, whatever carried them. Answers how many were not there.
pub async fn put_back(connection: &mut PgConnection, events: &[&Event]) -> Result<u64> {
    let (ids, types): (Vec<Uuid>, Vec<&str>) = events
        .iter()
        .map(|event| (event.id, event.event_type.as_str()))
        .unzip();
    let (keys, positions): (Vec<&str>, Vec<i64>) = events
        .iter()
        .map(|event| (event.key.as_str(), event.position))
        .unzip();
    let (payloads, times): (Vec<Value>, Vec<OffsetDateTime>) = events
        .iter()
        .map(|event| (event.payload.clone(), event.created_at))
        .unzip();
    let traces: Vec<Value> = events
        .iter()
        .map(|event| json!({ "traceparent": event.traceparent }))
        .collect();
    let back = sqlx::query!(
        "insert into platform.events (id, type, key, position, payload, created_at, headers)
         select * from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[], $6::timestamptz[], $7::jsonb[])
         on conflict (id) do nothing",
        &ids,
        &types as &[&str],
        &keys as &[&str],
        &positions,
        &payloads,
        &times,
        &traces
    )
    .execute(connection)
    .await?
    .rows_affected();
    Ok(back)
}

/// Tries the first parked event of each key that is due, and with those that are done now what waited behind them. There is
/// room for so many; answers what is left of it.
///
/// # Errors
/// As [`take`].
pub async fn retry_parked(tx: &mut PgConnection, consumer: &dyn Consumer, room: usize) -> Result<usize> {
    let group = consumer.group();
    let first = sqlx::query_as!(
        Event,
        "select e.id, e.type as event_type, e.key, p.position, e.payload, e.created_at,
             e.headers ->> 'traceparent' as traceparent
         from platform.parked_events p join platform.events e on e.id = p.event_id
         where p.group_name = $1 and p.retrying and p.next_try_at <= now() order by p.next_try_at limit $2",
        group,
        room as i64
    )
    .fetch_all(&mut *tx)
    .await?;
    let keys = try_again(tx, consumer, &first).await?;
    if keys.is_empty() {
        return Ok(room - first.len());
    }
    let behind = sqlx::query_as!(
        Event,
        "select e.id, e.type as event_type, e.key, p.position, e.payload, e.created_at,
             e.headers ->> 'traceparent' as traceparent
         from platform.parked_events p join platform.events e on e.id = p.event_id
         where p.group_name = $1 and p.key = any($2) order by p.position limit $3",
        group,
        &keys,
        (room - first.len()) as i64
    )
    .fetch_all(&mut *tx)
    .await?;
    try_again(tx, consumer, &behind).await?;
    // There was no room for these: the first of each key is next.
    sqlx::query!(
        "update platform.parked_events p set next_try_at = now()
         from (select distinct on (key) event_id, next_try_at from platform.parked_events
               where group_name = $1 and key = any($2) order by key, position) first
         where p.group_name = $1 and p.event_id = first.event_id and first.next_try_at is null",
        group,
        &keys
    )
    .execute(tx)
    .await?;
    Ok(room - first.len() - behind.len())
}

/// Takes parked events, in the order of each key; answers the keys of those that were taken.
async fn try_again(tx: &mut PgConnection, consumer: &dyn Consumer, events: &[Event]) -> Result<Vec<String>> {
    let group = consumer.group();
    let left = apply(tx, consumer, &events.iter().collect::<Vec<_>>()).await?;
    park(tx, group, &left).await?;
    let left: HashSet<Uuid> = left.into_iter().map(|(event, _)| event.id).collect();
    let (ids, keys): (Vec<Uuid>, Vec<String>) = events
        .iter()
        .filter(|event| !left.contains(&event.id))
        .map(|event| (event.id, event.key.clone()))
        .unzip();
    if !ids.is_empty() {
        sqlx::query!(
            "delete from platform.parked_events where group_name = $1 and event_id = any($2)",
            group,
            &ids
        )
        .execute(tx)
        .await?;
    }
    Ok(keys)
}
