//! The outbox: what a transaction wants done elsewhere, written in that very transaction.
//!
//! Three kinds move independently: a workflow *start* and a workflow *cancel* are handed to Temporal by [`relay`]; an
//! *event* joins the log of [`crate::events`]. If the process dies after the commit, nothing is lost; if it dies before,
//! nothing was asked.

pub mod relay;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::error::Result;

/// The channel that wakes the relay; the functions of the schema name it too.
pub const CHANNEL: &str = "smartcourse_outbox";

/// A workflow start, complete: the relay sends it as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Id from the business key; it saves work, the rows behind it give exactly-once.
    pub workflow_id: String,
    /// Registered workflow type.
    pub workflow_type: String,
    /// Queue the workers poll.
    pub task_queue: String,
    /// The input as JSON, made from the typed contract.
    pub input: serde_json::Value,
    /// The rest.
    pub options: StartOptions,
}

impl Start {
    /// The options as the outbox has them.
    ///
    /// # Errors
    /// None in practice: they are JSON.
    pub fn options(&self) -> Result<serde_json::Value> {
        serde_json::to_value(&self.options)
            .map_err(|error| crate::Error::internal("options are JSON").because(error))
    }
}

/// Options of a start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StartOptions {
    /// Seconds after which the server ends the execution, whatever it does.
    pub execution_timeout_seconds: u64,
    /// Search attribute `CourseId`.
    pub course_id: i64,
    /// Search attribute `InstructorId`.
    pub instructor_id: i64,
    /// One line for the Temporal UI.
    pub summary: String,
    /// What becomes of the id once its run has completed.
    #[serde(default)]
    pub after_completion: AfterCompletion,
}

/// What a start does whose workflow id has a completed run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterCompletion {
    /// Nothing: the id names a single attempt.
    #[default]
    Rest,
    /// Another run: the id names a relation that may begin again.
    StartAgain,
}

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
         select pg_notify($2, '')::text as woken from row",
        workflow_id,
        CHANNEL
    )
    .fetch_one(tx)
    .await?;
    Ok(())
}

/// Takes back a start that was not handed over yet; false when the relay was faster.
///
/// Waits for a relay that holds the row at this moment, so that the answer is final.
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
    let row = sqlx::query!(
        "select done_at is not null as \"done!\", tries, last_error from platform.outbox_commands
         where workflow_id = $1 and kind = 'start' order by id desc limit 1",
        workflow_id
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| StartState {
        done: row.done,
        tries: row.tries,
        last_error: row.last_error,
    }))
}

/// Appends an event to the log once this transaction commits. Call it under the lock of the aggregate `key` names, so
/// that events of one key are in commit order.
pub async fn put_event(
    tx: &mut PgConnection,
    event_type: &str,
    key: &str,
    payload: &impl Serialize,
) -> Result<uuid::Uuid> {
    let id = uuid::Uuid::now_v7();
    let payload = serde_json::to_value(payload)
        .map_err(|error| crate::Error::internal("events are JSON").because(error))?;
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

/// What an event says of the request it comes from.
pub fn headers() -> serde_json::Value {
    serde_json::json!({ "request_id": crate::http::trace_id() })
}
