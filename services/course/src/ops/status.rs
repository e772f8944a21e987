//! The status of the latest publish: from our own rows, so that it answers when the worker or Temporal is down; what
//! Temporal knows of pending activities is merged in when it answers.

use std::{sync::Arc, time::Duration};

use smartcourse_platform::{
    Error, Result,
    error::codes,
    grpc::Actor,
    outbox,
    temporal::{RunInfo, RunState},
};
use smartcourse_proto::{
    Wire,
    common::Problem,
    course::{PublishState, PublishStatus, PublishStep, StepState, WaitingFor, Warning},
    json::timestamp::from_time,
};
use smartcourse_workflows::steps::{STEPS, label};
use sqlx::{PgConnection, types::time::OffsetDateTime};
use uuid::Uuid;

use crate::{
    State,
    ops::workers,
    store::{self, AttemptRow},
};

/// How long an answer of Temporal is shown again: many readers of one status cost the server one look.
const RUN_CACHE: Duration = Duration::from_millis(700);
/// Tries of a start after which its cause is shown.
const TRIES_BEFORE_TELLING: i32 = 3;
/// Failed workflow tasks in a row after which a run counts as stuck.
const STUCK_AFTER: i32 = 3;
/// Work that nobody takes for this long is waiting for somebody.
const PATIENCE_SECONDS: i64 = 2;

/// What Temporal last said of a workflow; `Err` when it did not answer.
pub(crate) type RunCache = moka::future::Cache<String, Arc<Result<Option<RunInfo>, ()>>>;

pub(crate) fn run_cache() -> RunCache {
    moka::future::Cache::builder()
        .max_capacity(10_000)
        .time_to_live(RUN_CACHE)
        .build()
}

struct StepRow {
    step: i32,
    state: String,
    tries: i32,
    done: i32,
    total: i32,
    error_code: Option<String>,
    error_message: Option<String>,
    started_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    reported_at: OffsetDateTime,
}

pub(crate) async fn get(state: &State, actor: Actor, course_id: i64) -> Result<PublishStatus> {
    let mut connection = state.reader.connection().await?;
    let course = store::course(&mut *connection, course_id).await?;
    course.require_owner(actor)?;
    let attempt = store::latest_attempt(&mut *connection, course_id)
        .await?
        .ok_or_else(|| {
            Error::new(
                &codes::NEVER_PUBLISHED,
                "no publish of this course was ever started",
            )
        })?;
    let rows = steps(&mut connection, attempt.id).await?;
    connection.done();
    let mut status = from_rows(state, &attempt, &rows)?;
    if attempt.is_open() {
        add_waiting(state, &attempt, &rows, &mut status).await?;
    }
    Ok(status)
}

async fn steps(connection: &mut PgConnection, attempt_id: Uuid) -> Result<Vec<StepRow>> {
    Ok(sqlx::query_as!(
        StepRow,
        "select step, state, tries, done, total, error_code, error_message, started_at, finished_at, reported_at
         from course.publish_steps where attempt_id = $1 order by step",
        attempt_id
    )
    .fetch_all(connection)
    .await?)
}

fn from_rows(state: &State, attempt: &AttemptRow, rows: &[StepRow]) -> Result<PublishStatus> {
    let warnings: Vec<Warning> = serde_json::from_value(attempt.warnings.clone())
        .map_err(|error| Error::internal("the warnings of an attempt are broken").because(error))?;
    let current = rows.iter().find(|row| row.step == attempt.step);
    let steps = (1_i32..).zip(STEPS).map(|(number, step)| {
        let row = rows.iter().find(|row| row.step == number);
        let step_state = row
            .and_then(|row| StepState::from_text(&row.state))
            .unwrap_or(StepState::Pending);
        PublishStep {
            name: step.name.to_owned(),
            label: step.label.to_owned(),
            state: step_state.into(),
            attempts: row.map_or(0, |row| row.tries),
            started_at: row.map(|row| from_time(row.started_at)),
            finished_at: row.and_then(|row| row.finished_at).map(from_time),
            error: row.and_then(|row| problem(row.error_code.as_ref(), row.error_message.as_ref())),
        }
    });
    let publish_state = PublishState::from_text(&attempt.state).unwrap_or(PublishState::Unspecified);
    Ok(PublishStatus {
        workflow_id: attempt.workflow_id.clone(),
        run_id: attempt.run_id.clone(),
        version: attempt.version,
        state: publish_state.into(),
        step: attempt.step,
        total_steps: STEPS.len() as i32,
        label: label(u8::try_from(attempt.step).unwrap_or(0)).to_owned(),
        percent: percent(publish_state, attempt.step, current),
        attempt: current.map_or(0, |row| row.tries),
        waiting_for: None,
        next_retry_at: None,
        heartbeat_age_seconds: None,
        started_at: attempt.started_at.map(from_time),
        finished_at: attempt.finished_at.map(from_time),
        steps: steps.collect(),
        warnings,
        error: problem(attempt.error_code.as_ref(), attempt.error_message.as_ref()),
        temporal_url: state
            .temporal
            .config()
            .workflow_link(&attempt.workflow_id, attempt.run_id.as_deref()),
        course_id: attempt.course_id,
        attempt_id: attempt.id.to_string(),
        accepted_at: Some(from_time(attempt.accepted_at)),
        revision: attempt.revision,
    })
}

fn problem(code: Option<&String>, message: Option<&String>) -> Option<Problem> {
    code.map(|code| Problem {
        code: code.clone(),
        message: message.cloned().unwrap_or_default(),
    })
}

/// Each step counts the same; within a step, its lessons do.
fn percent(state: PublishState, step: i32, row: Option<&StepRow>) -> i32 {
    if state == PublishState::Completed {
        return 100;
    }
    let within = row
        .filter(|row| row.total > 0)
        .map_or(0, |row| 100 * row.done.min(row.total) / row.total);
    let steps = STEPS.len() as i32;
    (((step - 1).max(0) * 100 + within) / steps).min(99)
}

/// Says what an open attempt waits for.
async fn add_waiting(
    state: &State,
    attempt: &AttemptRow,
    rows: &[StepRow],
    status: &mut PublishStatus,
) -> Result<()> {
    let now = OffsetDateTime::now_utc();
    let set = |status: &mut PublishStatus, waiting: WaitingFor| status.waiting_for = Some(waiting.into());
    if let Some(start) = outbox::start_state(&state.pool, &attempt.workflow_id)
        .await?
        .filter(|start| !start.done)
    {
        // Not handed over yet: Temporal did not take it, or the relay is not there to try.
        if start.tries > 0 || (now - attempt.accepted_at).whole_seconds() >= PATIENCE_SECONDS {
            set(status, WaitingFor::Temporal);
        }
        if let Some(cause) = start.last_error.filter(|_| start.tries >= TRIES_BEFORE_TELLING) {
            status.error = Some(Problem {
                code: codes::UNAVAILABLE.code.to_owned(),
                message: format!("Temporal has not taken the start yet: {cause}"),
            });
        }
        return Ok(());
    }
    let run = state.runs.get_with(attempt.workflow_id.clone(), async {
        Arc::new(match state.temporal.describe(&attempt.workflow_id).await {
            Ok(run) => Ok(run),
            Err(error) => {
                tracing::debug!(error = %error.chain(), "Temporal does not answer for a status");
                Err(())
            }
        })
    });
    let reported = rows.iter().map(|row| row.reported_at).max();
    match run.await.as_ref() {
        Err(()) => set(status, WaitingFor::Temporal),
        Ok(Some(run)) if run.state == RunState::Running => {
            if status.run_id.is_none() {
                status.run_id = Some(run.run_id.clone());
                status.temporal_url = state
                    .temporal
                    .config()
                    .workflow_link(&attempt.workflow_id, Some(&run.run_id));
            }
            let living = workers::any(state).await?;
            from_pending(run, now, reported, living, status);
        }
        // Ended or unknown while the attempt is open: the reconciler will act on it.
        Ok(_) => {}
    }
    Ok(())
}

fn from_pending(
    run: &RunInfo,
    now: OffsetDateTime,
    reported: Option<OffsetDateTime>,
    living: bool,
    status: &mut PublishStatus,
) {
    let seconds = now.unix_timestamp();
    if living && run.workflow_task_attempt >= STUCK_AFTER {
        tracing::error!(workflow_id = %status.workflow_id, tries = run.workflow_task_attempt, "a workflow is stuck");
        let message = format!(
            "The workflow's code failed {} times in a row; an engineer has to look.",
            run.workflow_task_attempt
        );
        status.error = Some(Problem {
            code: codes::WORKFLOW_STUCK.code.to_owned(),
            message,
        });
    }
    let Some(activity) = run
        .pending
        .iter()
        .min_by_key(|activity| (activity.started, activity.next_try_at))
    else {
        // A workflow task nobody takes for a while.
        let quiet = reported.is_none_or(|at| (now - at).whole_seconds() >= PATIENCE_SECONDS);
        let old = status
            .accepted_at
            .as_ref()
            .is_some_and(|at| seconds - at.seconds >= PATIENCE_SECONDS);
        if quiet && old && !living {
            status.waiting_for = Some(WaitingFor::Worker.into());
        }
        return;
    };
    status.attempt = status.attempt.max(activity.attempt);
    if activity.started && !living {
        // Its worker died; the activity goes on once another one comes.
        status.waiting_for = Some(WaitingFor::Worker.into());
    }
    if activity.started {
        status.heartbeat_age_seconds = activity.last_heartbeat_at.map(|at| (seconds - at).max(0) as f64);
        return;
    }
    if activity.attempt > 1 && activity.next_try_at.is_some_and(|at| at > seconds - 1) {
        status.waiting_for = Some(WaitingFor::Retry.into());
        status.next_retry_at = activity
            .next_try_at
            .map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
        return;
    }
    let due = activity.next_try_at.or(activity.scheduled_at).unwrap_or(seconds);
    if seconds - due >= PATIENCE_SECONDS {
        let waiting = if living {
            WaitingFor::Slot
        } else {
            WaitingFor::Worker
        };
        status.waiting_for = Some(waiting.into());
    }
}
