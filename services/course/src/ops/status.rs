//! The status of the latest publish: from our own rows, so that it answers when the worker or Temporal is down; what
//! Temporal knows of pending activities is merged in when it answers.

use std::{sync::Arc, time::Duration};

use smartcourse_platform::{
    Error, Result,
    grpc::Actor,
    outbox,
    ports::workflows::{PendingActivity, RunInfo, RunState},
};
use smartcourse_proto::{
    common::Problem,
    course::{
        PublishMark, PublishMarks, PublishState, PublishStatus, PublishStep, StepState, WaitingFor, Warning,
    },
    ids::CourseId,
    json::timestamp::from_time,
};
use smartcourse_workflows::activities::PUBLISHING;
use sqlx::types::time::OffsetDateTime;

use crate::{
    State, codes,
    ops::workers,
    store::{self, AttemptRow, Owner},
};

/// How long an answer of Temporal is shown again: many readers of one status cost the server one call.
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
    state: StepState,
    tries: i32,
    done: i32,
    total: i32,
    error_code: Option<String>,
    error_message: Option<String>,
    started_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
    reported_at: OffsetDateTime,
}

pub(crate) async fn get(state: &State, actor: Actor, course_id: CourseId) -> Result<PublishStatus> {
    let Some((owner, attempt, rows)) = latest(state, course_id).await? else {
        let course = store::course(&state.pool, course_id).await?;
        course.require_owner(actor)?;
        return Err(store::never_published());
    };
    owner.require(actor)?;
    let mut status = from_rows(state, &attempt, &rows)?;
    if attempt.is_open() {
        add_waiting(state, &attempt, &rows, &mut status).await?;
    }
    Ok(status)
}

/// Where the latest attempts of courses stand; those that were never published are left out.
pub(crate) async fn marks(state: &State, course_ids: &[i64]) -> Result<PublishMarks> {
    let mut connection = state.reader.connection().await?;
    let items = sqlx::query_as!(
        PublishMark,
        r#"select a.course_id, a.version, a.revision
           from unnest($1::bigint[]) as asked(course_id)
           cross join lateral (select course_id, version, revision from course.publish_attempts
                               where course_id = asked.course_id order by version desc limit 1) a"#,
        course_ids
    )
    .fetch_all(&mut *connection)
    .await?;
    connection.done();
    Ok(PublishMarks { items })
}

/// The latest attempt, whose it is, and its steps: one query, since readers ask again and again.
async fn latest(state: &State, course_id: CourseId) -> Result<Option<(Owner, AttemptRow, Vec<StepRow>)>> {
    let mut connection = state.reader.connection().await?;
    let rows = sqlx::query!(
        r#"select c.instructor_id, c.published_version is not null and not c.archived as "is_live!",
             a.id, a.course_id, a.version, a.draft_key, a.workflow_id, a.run_id, a.state, a.aborted, a.step, a.warnings,
             a.error_code, a.error_message, a.revision, a.accepted_at, a.started_at, a.finished_at,
             s.step as "s_step?", s.state as "s_state?", s.tries as "s_tries?", s.done as "s_done?", s.total as "s_total?",
             s.error_code as "s_error_code?", s.error_message as "s_error_message?", s.started_at as "s_started_at?",
             s.finished_at as "s_finished_at?", s.reported_at as "s_reported_at?"
           from course.publish_attempts a
           join course.courses c on c.id = a.course_id
           left join course.publish_steps s on s.attempt_id = a.id
           where a.id = (select id from course.publish_attempts where course_id = $1 order by version desc limit 1)
           order by s.step"#,
        course_id.0
    )
    .fetch_all(&mut *connection)
    .await?;
    connection.done();
    let mut found: Option<(Owner, AttemptRow, Vec<StepRow>)> = None;
    for row in rows {
        let (_, _, steps) = found.get_or_insert_with(|| {
            let owner = Owner {
                course_id: row.course_id.into(),
                instructor_id: row.instructor_id.into(),
                is_live: row.is_live,
            };
            let attempt = AttemptRow {
                id: row.id,
                course_id: row.course_id.into(),
                version: row.version,
                draft_key: row.draft_key,
                workflow_id: row.workflow_id,
                run_id: row.run_id,
                state: row.state.into(),
                aborted: row.aborted,
                step: row.step,
                warnings: row.warnings,
                error_code: row.error_code,
                error_message: row.error_message,
                revision: row.revision,
                accepted_at: row.accepted_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
            };
            (owner, attempt, Vec::new())
        });
        let (Some(step), Some(state), Some(started_at), Some(reported_at)) =
            (row.s_step, row.s_state, row.s_started_at, row.s_reported_at)
        else {
            // Accepted a moment ago: no step has begun.
            continue;
        };
        steps.push(StepRow {
            step,
            state: state.into(),
            tries: row.s_tries.unwrap_or_default(),
            done: row.s_done.unwrap_or_default(),
            total: row.s_total.unwrap_or_default(),
            error_code: row.s_error_code,
            error_message: row.s_error_message,
            started_at,
            finished_at: row.s_finished_at,
            reported_at,
        });
    }
    Ok(found)
}

fn from_rows(state: &State, attempt: &AttemptRow, rows: &[StepRow]) -> Result<PublishStatus> {
    let warnings: Vec<Warning> = serde_json::from_value(attempt.warnings.clone())
        .map_err(|error| Error::internal("the warnings of an attempt are broken").because(error))?;
    let current = rows.iter().find(|row| row.step == attempt.step);
    let step = u8::try_from(attempt.step).unwrap_or(0);
    let steps = PUBLISHING.steps.iter().map(|step| {
        let row = rows.iter().find(|row| row.step == i32::from(step.number));
        PublishStep {
            name: step.name.to_owned(),
            label: step.label.to_owned(),
            state: row.map_or(StepState::Pending, |row| row.state).into(),
            attempts: row.map_or(0, |row| row.tries),
            started_at: row.map(|row| from_time(row.started_at)),
            finished_at: row.and_then(|row| row.finished_at).map(from_time),
            error: row.and_then(|row| problem(row.error_code.as_ref(), row.error_message.as_ref())),
        }
    });
    Ok(PublishStatus {
        workflow_id: attempt.workflow_id.clone(),
        run_id: attempt.run_id.clone(),
        version: attempt.version,
        state: attempt.state.into(),
        step: attempt.step,
        total_steps: PUBLISHING.steps.len() as i32,
        label: PUBLISHING.label(step).to_owned(),
        percent: percent(attempt.state, attempt.step, current),
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
            .workflow_link(&attempt.workflow_id, attempt.run_id.as_deref()),
        course_id: attempt.course_id.0,
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
    let steps = PUBLISHING.steps.len() as i32;
    (((step - 1).max(0) * 100 + within) / steps).min(99)
}

/// What Temporal knows of the attempt's workflow; `Err` when it does not answer.
async fn latest_run(state: &State, attempt: &AttemptRow) -> Arc<Result<Option<RunInfo>, ()>> {
    let describe = async {
        let run = state.workflows.describe(&attempt.workflow_id).await;
        let log = |error: Error| {
            tracing::debug!(error = %error.chain(), "Temporal does not answer for a status");
        };
        Arc::new(run.map_err(log))
    };
    state.runs.get_with(attempt.workflow_id.clone(), describe).await
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
        if start.tries > 0 {
            set(status, WaitingFor::Temporal);
        } else if (now - attempt.accepted_at).whole_seconds() >= PATIENCE_SECONDS {
            // Nobody has tried to hand it over. Whoever would is away, or waits for the database.
            let waiting = match *latest_run(state, attempt).await {
                Ok(_) => WaitingFor::Relay,
                Err(()) => WaitingFor::Temporal,
            };
            set(status, waiting);
        }
        if let Some(cause) = start.last_error.filter(|_| start.tries >= TRIES_BEFORE_TELLING) {
            status.error = Some(Problem {
                code: codes::UNAVAILABLE.code.to_owned(),
                message: format!("Temporal has not taken the start yet: {cause}"),
            });
        }
        return Ok(());
    }
    let reported = rows.iter().map(|row| row.reported_at).max();
    match latest_run(state, attempt).await.as_ref() {
        Err(()) => set(status, WaitingFor::Temporal),
        Ok(Some(run)) if run.state == RunState::Running => {
            if status.run_id.is_none() {
                status.run_id = Some(run.run_id.clone());
                status.temporal_url = state
                    .temporal
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

/// The cause of the last try, when the step's own row could not be written: what failed may be the database.
fn show_failure(activity: &PendingActivity, status: &mut PublishStatus) {
    let mut activities = PUBLISHING.activities.iter();
    let declared = activities.find(|declared| declared.name == activity.activity_type);
    let step = declared.and_then(|declared| status.steps.get_mut(usize::from(declared.number()) - 1));
    if let (Some(step), Some(failure)) = (step, &activity.last_failure)
        && step.error.is_none()
    {
        step.error = Some(Problem {
            code: failure.code.clone(),
            message: failure.message.clone(),
        });
    }
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
        } else if status
            .steps
            .iter()
            .any(|step| step.state() == StepState::Retrying)
        {
            // It is tried again in a workflow of its own, which alone knows when.
            status.waiting_for = Some(WaitingFor::Retry.into());
        }
        return;
    };
    status.attempt = status.attempt.max(activity.attempt);
    show_failure(activity, status);
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
