//! The outbox: what a transaction wants done elsewhere, written in that very transaction.
//!
//! Three kinds move independently: a workflow *start* and a workflow *cancel* are handed to Temporal by [`relay`]; an
//! *event* joins the log of [`crate::events`]. If the process dies after the commit, nothing is lost; if it dies before,
//! nothing was asked.

mod backlog;
pub mod relay;

pub use backlog::{Backlog, backlog};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    error::{Result, to_json},
    ports::workflows::Start,
};

/// The channel that wakes the relay; the functions of the schema name it too.
pub const CHANNEL: &str = "smartcourse_outbox";

/// Asks for a workflow start once this transaction commits.
pub async fn put_start(tx: &mut PgConnection, start: &Start) -> Result<()> {
    sqlx::query!(
        r#"select platform.put_start($1, $2, $3, $4, $5)::text as "put?""#,
        start.workflow_id,
        start.workflow_type,
        start.task_queue,
        start.input,
        start.options()?
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// Asks for the cancellation of a workflow once this transaction commits.
pub async fn put_cancel(tx: &mut PgConnection, workflow_id: &str) -> Result<()> {
    sqlx::query!(
        "with row as (insert into platform.outbox_commands (kind, workflow_id) values ('cancel', $1) returning 1)
         select platform.wake(2)::text as woken from row",
        workflow_id
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// Takes back a start that was not handed over yet; false when the relay was faster. It waits for a relay that holds the
/// row at this moment, so that the answer is final.
pub async fn withdraw_start(tx: &mut PgConnection, workflow_id: &str) -> Result<bool> {
    let open = sqlx::query_scalar!(
        "select id from platform.outbox_commands where workflow_id = $1 and kind = 'start' and done_at is null for update",
        workflow_id
    )
    .fetch_all(&mut *tx)
    .await?;
    if open.is_empty() {
        return Ok(false);
    }
    sqlx::query!(
        "update platform.outbox_commands set done_at = now(), last_error = 'withdrawn' where id = any($1)",
        &open
    )
    .execute(tx)
    .await?;
    Ok(true)
}

/// How the hand-over of a workflow's start stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartState {
    /// Handed over, or withdrawn.
    pub done: bool,
    /// Tries so far.
    pub tries: i32,
    /// Why the last one failed.
    pub last_error: Option<String>,
}

/// Looks up the latest start of a workflow id.
pub async fn start_state(pool: &sqlx::PgPool, workflow_id: &str) -> Result<Option<StartState>> {
    Ok(sqlx::query_as!(
        StartState,
        "select done_at is not null as \"done!\", tries, last_error from platform.outbox_commands
         where workflow_id = $1 and kind = 'start' order by id desc limit 1",
        workflow_id
    )
    .fetch_optional(pool)
    .await?)
}

/// Whether a start of this workflow waits for Temporal: it is not lost, and needs no other.
pub async fn start_waits(pool: &sqlx::PgPool, workflow_id: &str) -> Result<bool> {
    let start = start_state(pool, workflow_id).await?;
    Ok(start.is_some_and(|start| !start.done))
}

/// An event to put into the log.
#[derive(Debug, Clone)]
pub struct NewEvent {
    id: Uuid,
    event_type: &'static str,
    key: String,
    payload: Value,
}

impl NewEvent {
    /// Of this type, about the aggregate `key` names. Fails when the payload has no JSON form.
    pub fn new(event_type: &'static str, key: String, payload: &impl Serialize) -> Result<Self> {
        Ok(Self {
            id: Uuid::now_v7(),
            event_type,
            key,
            payload: to_json(payload)?,
        })
    }
}

/// Appends an event to the log once this transaction commits. Call it under the lock of the aggregate `key` names, so
/// that events of one key are in commit order.
pub async fn put_event(
    tx: &mut PgConnection,
    event_type: &str,
    key: &str,
    payload: &impl Serialize,
) -> Result<Uuid> {
    let id = Uuid::now_v7();
    let payload = to_json(payload)?;
    sqlx::query!(
        r#"select platform.put_event($1, $2, $3, $4, $5)::text as "put?""#,
        id,
        event_type,
        key,
        payload,
        headers()
    )
    .fetch_one(tx)
    .await?;
    Ok(id)
}

/// Appends events in this order, as [`put_event`] does one.
pub async fn put_events(tx: &mut PgConnection, events: &[NewEvent]) -> Result<()> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    let types: Vec<&str> = events.iter().map(|event| event.event_type).collect();
    let keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    let payloads: Vec<Value> = events.iter().map(|event| event.payload.clone()).collect();
    sqlx::query!(
        r#"select platform.put_event(id, type, key, payload, $5)::text as "put?"
           from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[]) as event (id, type, key, payload)"#,
        &ids,
        &types as &[&str],
        &keys as &[&str],
        &payloads,
        headers()
    )
    .fetch_all(tx)
    .await?;
    Ok(())
}

/// What events and tasks say of the request they come from.
pub fn headers() -> Value {
    serde_json::json!({
        "request_id": smartcourse_telemetry::request::request_id(),
        "traceparent": smartcourse_telemetry::trace::traceparent(),
    })
}
