//! The workflow port: the server that keeps workflows going.
//!
//! Services never start a workflow through it: they leave a start in the outbox, and the relay hands it over.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::{Result, to_json};

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
    /// The options as the outbox has them, with the trace of whoever writes them.
    pub fn options(&self) -> Result<serde_json::Value> {
        let traceparent = smartcourse_telemetry::trace::traceparent();
        to_json(&StartOptions {
            traceparent,
            ..self.options.clone()
        })
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
    /// The trace of what it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
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

/// What the server knows of a workflow id's latest run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its run.
    pub run_id: String,
    /// How it stands.
    pub state: RunState,
    /// When it began, in seconds since 1970.
    pub started_at: Option<i64>,
    /// The activities under way.
    pub pending: Vec<PendingActivity>,
    /// Failed workflow tasks in a row: above zero the workflow's own code does not run.
    pub workflow_task_attempt: i32,
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Still going.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended after a cancellation.
    Cancelled,
    /// Ended by an operator.
    Terminated,
    /// Ended by its execution timeout.
    TimedOut,
}

/// Why a try of an activity failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The code of ours, or what the server calls it.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// An activity the server is waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingActivity {
    /// Registered name.
    pub activity_type: String,
    /// The try it is in, from 1.
    pub attempt: i32,
    /// True when a worker runs it now; false when it waits for a worker or for its next try.
    pub started: bool,
    /// Cause of the last failed try.
    pub last_failure: Option<Failure>,
    /// When the next try is due, in seconds since 1970.
    pub next_try_at: Option<i64>,
    /// When it was last heard from, in seconds since 1970.
    pub last_heartbeat_at: Option<i64>,
    /// When the current try was scheduled, in seconds since 1970.
    pub scheduled_at: Option<i64>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRun {
    /// Id of the workflow.
    pub workflow_id: String,
    /// The run.
    pub run_id: String,
    /// Registered type.
    pub workflow_type: String,
    /// How it stands.
    pub state: RunState,
    /// Seconds since 1970.
    pub started_at: Option<i64>,
    /// Seconds since 1970; absent while it runs.
    pub finished_at: Option<i64>,
}

/// A workflow that is started again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its id, and the beginning of the ids of its runs.
    pub id: &'static str,
    /// Registered workflow type; it takes no input.
    pub workflow_type: &'static str,
    /// Queue the workers poll.
    pub task_queue: &'static str,
    /// When, as a cron expression in UTC.
    pub cron: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// After so long the server ends a run, whatever it does.
    pub run_timeout: Duration,
}

/// A workflow server, connected when first used and reconnected by itself; `unavailable` when it does not answer.
#[async_trait]
pub trait Workflows: Send + Sync {
    /// Whether the server answers.
    async fn ping(&self) -> Result<()>;
    /// Registers the search attributes of [`Start`] where they are missing; answers which were.
    async fn prepare(&self) -> Result<Vec<&'static str>>;
    /// The search attributes that are missing.
    async fn missing_attributes(&self) -> Result<Vec<&'static str>>;
    /// Starts a workflow exactly as the row says; the id of the run that is now (or was already) there. A run under way is
    /// joined; a failed, cancelled, timed out or terminated one is followed by a new run, a completed one if the row says so.
    async fn start(&self, start: &Start) -> Result<Option<String>>;
    /// Asks a workflow to cancel; one that is closed or unknown needs nothing.
    async fn cancel(&self, workflow_id: &str) -> Result<()>;
    /// What the server knows of the latest run of a workflow id; `None` when it knows nothing.
    async fn describe(&self, workflow_id: &str) -> Result<Option<RunInfo>>;
    /// Whether a worker asked the queue for activities within the last minute and a half.
    async fn has_pollers(&self, task_queue: &str) -> Result<bool>;
    /// A page of runs, newest first, and the token of the next page.
    async fn list(
        &self,
        state: Option<RunState>,
        limit: i32,
        token: Vec<u8>,
    ) -> Result<(Vec<ListedRun>, Option<Vec<u8>>)>;
    /// Makes a schedule unless there is one of its id; answers whether there was none. What an operator changed or paused
    /// stays as it is.
    async fn ensure_schedule(&self, schedule: &Schedule) -> Result<bool>;
}
