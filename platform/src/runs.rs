//! Where a run of a workflow stands: from the rows of its service, so that it is known when the worker or Temporal is down, and
//! what it waits for, which Temporal tells of pending activities when it answers.
//!
//! Whatever a run makes, this is said of it in the fields of a [`PublishStatus`].

use std::{sync::Arc, time::Duration};

use smartcourse_proto::{
    common::Problem,
    course::{PublishState, PublishStatus, PublishStep, StepState, WaitingFor},
    json::timestamp::{from_time, to_time},
};
use sqlx::{PgPool, types::time::OffsetDateTime};

use crate::{
    error::{Error, Result, codes},
    outbox,
    ports::workflows::{PendingActivity, RunInfo, RunState, Workflows},
};

/// How long an answer of Temporal is shown again: many readers of one status cost the server one call.
const RUN_CACHE: Duration = Duration::from_millis(700);
/// Tries of a start after which its cause is shown.
const TRIES_BEFORE_TELLING: i32 = 3;
/// Failed workflow tasks in a row after which a run counts as stuck.
const STUCK_AFTER: i32 = 3;
/// Work that nobody takes for this long is waiting for somebody.
const PATIENCE_SECONDS: i64 = 2;

/// A step, as it was reported to the service that shows it.
#[derive(Debug)]
pub struct StepRow {
    /// Its number, from 1.
    pub step: i32,
    /// How it stands.
    pub state: StepState,
    /// How often it was tried.
    pub tries: i32,
    /// Items done.
    pub done: i32,
    /// Items in all; 0 when it has no parts.
    pub total: i32,
    /// Why the last try failed.
    pub error_code: Option<String>,
    /// That, in a sentence for people.
    pub error_message: Option<String>,
    /// When it began.
    pub started_at: OffsetDateTime,
    /// When it ended.
    pub finished_at: Option<OffsetDateTime>,
    /// When it was last heard of.
    pub reported_at: OffsetDateTime,
}

/// What a row says of a failure.
pub fn problem(code: Option<&String>, message: Option<&String>) -> Option<Problem> {
    code.map(|code| Problem {
        code: code.clone(),
        message: message.cloned().unwrap_or_default(),
    })
}

/// How far a run is that has come to `step`; `declared` has the names and labels of its steps, in their order.
pub fn from_rows(
    state: PublishState,
    step: i32,
    declared: impl Iterator<Item = (&'static str, &'static str)>,
    rows: &[StepRow],
) -> PublishStatus {
    let of = |number: i32| rows.iter().find(|row| row.step == number);
    let steps = (1..).zip(declared).map(|(number, (name, label))| {
        let row = of(number);
        PublishStep {
            name: name.to_owned(),
            label: label.to_owned(),
            state: row.map_or(StepState::Pending, |row| row.state).into(),
            attempts: row.map_or(0, |row| row.tries),
            started_at: row.map(|row| from_time(row.started_at)),
            finished_at: row.and_then(|row| row.finished_at).map(from_time),
            error: row.and_then(|row| problem(row.error_code.as_ref(), row.error_message.as_ref())),
        }
    });
    let steps: Vec<PublishStep> = steps.collect();
    let (total_steps, current) = (steps.len() as i32, of(step));
    let reached = (1..).zip(&steps).find(|(number, _)| *number == step);
    PublishStatus {
        state: state.into(),
        step,
        total_steps,
        label: reached.map_or_else(String::new, |(_, step)| step.label.clone()),
        percent: percent(state, step, total_steps, current),
        attempt: current.map_or(0, |row| row.tries),
        steps,
        ..PublishStatus::default()
    }
}

/// Each step counts the same; within a step, its lessons do.
fn percent(state: PublishState, step: i32, steps: i32, row: Option<&StepRow>) -> i32 {
    if state == PublishState::Completed {
        return 100;
    }
    let within = row
        .filter(|row| row.total > 0)
        .map_or(0, |row| 100 * row.done.min(row.total) / row.total);
    (((step - 1).max(0) * 100 + within) / steps).min(99)
}

/// What Temporal said of a workflow; `Err` when it did not answer.
type Said = Arc<Result<Option<RunInfo>, ()>>;

/// The number of the step an activity belongs to, by its name.
type StepOf = fn(&str) -> Option<u8>;

/// What Temporal knows of runs, asked for at most as often as it can change for a reader.
pub struct Runs {
    workflows: Arc<dyn Workflows>,
    step_of: StepOf,
    said: moka::future::Cache<String, Said>,
}

impl Runs {
    /// Asks `workflows`; `step_of` has the number of the step an activity belongs to.
    pub fn new(workflows: Arc<dyn Workflows>, step_of: StepOf) -> Self {
        let said = moka::future::Cache::builder()
            .max_capacity(10_000)
            .time_to_live(RUN_CACHE);
        Self {
            workflows,
            step_of,
            said: said.build(),
        }
    }

    async fn latest(&self, workflow_id: &str) -> Said {
        let describe = async {
            let log = |error: Error| {
                tracing::debug!(error = %error.chain(), "Temporal does not answer for a status");
            };
            Arc::new(self.workflows.describe(workflow_id).await.map_err(log))
        };
        self.said.get_with(workflow_id.to_owned(), describe).await
    }

    /// Says what an open run waits for; `living` answers whether any worker lives, or nothing when nobody can say.
    pub async fn add_waiting(
        &self,
        pool: &PgPool,
        status: &mut PublishStatus,
        rows: &[StepRow],
        living: impl Future<Output = Result<Option<bool>>> + Send,
    ) -> Result<()> {
        let now = OffsetDateTime::now_utc();
        if let Some(start) = outbox::start_state(pool, &status.workflow_id)
            .await?
            .filter(|start| !start.done)
        {
            if start.tries > 0 {
                status.set_waiting_for(WaitingFor::Temporal);
            } else if is_old(status, now) {
                // Nobody has tried to hand it over. Whoever would is away, or waits for the database.
                status.set_waiting_for(match *self.latest(&status.workflow_id).await {
                    Ok(_) => WaitingFor::Relay,
                    Err(()) => WaitingFor::Temporal,
                });
            }
            if let Some(cause) = start.last_error.filter(|_| start.tries >= TRIES_BEFORE_TELLING) {
                status.error = Some(Problem {
                    code: codes::UNAVAILABLE.code.to_owned(),
                    message: format!("Temporal has not taken the start yet: {cause}"),
                });
            }
            return Ok(());
        }
        match self.latest(&status.workflow_id).await.as_ref() {
            Err(()) => status.set_waiting_for(WaitingFor::Temporal),
            Ok(Some(run)) if run.state == RunState::Running => {
                status.run_id.get_or_insert_with(|| run.run_id.clone());
                let reported = rows.iter().map(|row| row.reported_at).max();
                let living = living.await?;
                from_pending(run, self.step_of, now, reported, living, status);
            }
            // Ended or unknown while its record is open: the reconciler will act on it.
            Ok(_) => {}
        }
        Ok(())
    }
}

/// The cause of the last try, when the step's own row could not be written: what failed may be the database.
fn show_failure(activity: &PendingActivity, step_of: StepOf, status: &mut PublishStatus) {
    let number = step_of(&activity.activity_type);
    let step = number.and_then(|number| status.steps.get_mut(usize::from(number) - 1));
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
    step_of: StepOf,
    now: OffsetDateTime,
    reported: Option<OffsetDateTime>,
    living: Option<bool>,
    status: &mut PublishStatus,
) {
    let is_missing = living == Some(false);
    let seconds = now.unix_timestamp();
    if living == Some(true) && run.workflow_task_attempt >= STUCK_AFTER {
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
        if quiet && is_old(status, now) && is_missing {
            status.set_waiting_for(WaitingFor::Worker);
        } else if status
            .steps
            .iter()
            .any(|step| step.state() == StepState::Retrying)
        {
            // It is tried again in a workflow of its own, which alone knows when.
            status.set_waiting_for(WaitingFor::Retry);
        }
        return;
    };
    status.attempt = status.attempt.max(activity.attempt);
    show_failure(activity, step_of, status);
    if activity.started && is_missing {
        // Its worker died; the activity goes on once another one comes.
        status.set_waiting_for(WaitingFor::Worker);
    }
    if activity.started {
        status.heartbeat_age_seconds = activity.last_heartbeat_at.map(|at| (seconds - at).max(0) as f64);
        return;
    }
    if activity.attempt > 1 && activity.next_try_at.is_some_and(|at| at > seconds - 1) {
        status.set_waiting_for(WaitingFor::Retry);
        status.next_retry_at = activity
            .next_try_at
            .map(|seconds| prost_types::Timestamp { seconds, nanos: 0 });
        return;
    }
    let due = activity.next_try_at.or(activity.scheduled_at).unwrap_or(seconds);
    if let Some(living) = living
        && seconds - due >= PATIENCE_SECONDS
    {
        status.set_waiting_for(match living {
            true => WaitingFor::Slot,
            false => WaitingFor::Worker,
        });
    }
}

/// Whether the run was accepted long enough ago for somebody to have taken it.
fn is_old(status: &PublishStatus, now: OffsetDateTime) -> bool {
    let accepted_at = status.accepted_at.as_ref().and_then(to_time);
    accepted_at.is_some_and(|at| (now - at).whole_seconds() >= PATIENCE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_000;

    /// What a run of one step that was accepted long ago waits for with this activity, and when it is tried next.
    fn waiting(pending: Option<PendingActivity>, living: bool) -> (Option<WaitingFor>, Option<i64>) {
        let run = RunInfo {
            run_id: "run".to_owned(),
            state: RunState::Running,
            started_at: None,
            pending: pending.into_iter().collect(),
            workflow_task_attempt: 0,
        };
        let at = |seconds| OffsetDateTime::from_unix_timestamp(seconds).expect("a time");
        let mut status = from_rows(PublishState::Running, 1, [("draft", "Drafting")].into_iter(), &[]);
        status.accepted_at = Some(from_time(at(0)));
        from_pending(&run, |_| Some(1), at(NOW), None, Some(living), &mut status);
        let waiting_for = status.waiting_for.and_then(|it| it.try_into().ok());
        (waiting_for, status.next_retry_at.map(|at| at.seconds))
    }

    /// An activity that was scheduled so many seconds ago.
    fn activity(seconds: i64) -> PendingActivity {
        PendingActivity {
            activity_type: "assistant.draft_lesson".to_owned(),
            attempt: 1,
            started: false,
            last_failure: None,
            next_try_at: None,
            last_heartbeat_at: None,
            scheduled_at: Some(NOW - seconds),
        }
    }

    #[test]
    fn work_that_nobody_takes_waits_for_a_worker_or_for_its_slot() {
        assert_eq!(waiting(None, false), (Some(WaitingFor::Worker), None));
        assert_eq!(waiting(None, true), (None, None));
        assert_eq!(waiting(Some(activity(1)), false), (None, None));
        assert_eq!(
            waiting(Some(activity(2)), false),
            (Some(WaitingFor::Worker), None)
        );
        assert_eq!(waiting(Some(activity(2)), true), (Some(WaitingFor::Slot), None));
    }

    #[test]
    fn work_under_way_waits_for_nobody_until_its_worker_dies() {
        let started = PendingActivity {
            started: true,
            ..activity(60)
        };
        assert_eq!(waiting(Some(started.clone()), true), (None, None));
        assert_eq!(waiting(Some(started), false), (Some(WaitingFor::Worker), None));
    }

    #[test]
    fn what_failed_waits_until_it_is_tried_again() {
        let failed = |next: i64| PendingActivity {
            attempt: 2,
            next_try_at: Some(next),
            ..activity(60)
        };
        let retry = (Some(WaitingFor::Retry), Some(NOW + 9));
        assert_eq!(waiting(Some(failed(NOW + 9)), true), retry);
        assert_eq!(
            waiting(Some(failed(NOW - 2)), true),
            (Some(WaitingFor::Slot), None)
        );
    }
}
