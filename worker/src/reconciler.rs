//! Heals publishes and onboardings whose workflow is gone: terminated, timed out, failed without a record, or forgotten
//! by a Temporal server that lost its data.

use std::{future::Future, sync::Arc, time::Duration};

use smartcourse_platform::{
    Result,
    error::codes,
    grpc::{Actor, Transport},
    lifecycle::Lifecycle,
    ports::workflows::{RunInfo, RunState, Workflows},
};
use smartcourse_proto::{
    assistant::{ListOpenGenerationsRequest, OpenGeneration, RestartGenerationRequest},
    common::Problem,
    course::{ListOpenAttemptsRequest, OpenAttempt, PublishState, RestartAttemptRequest},
    enrollment::{ListOpenOnboardingsRequest, OpenOnboarding, OpenOnboardings, RestartOnboardingRequest},
    stubs::{AssistantStub, CourseStub, EnrollmentStub},
};
use smartcourse_telemetry::catalogue::{RECONCILED, RECONCILER_ROUNDS};
use smartcourse_workflows::publish_cleanup;

use crate::schedules;

/// Attempts younger than this are left alone: their start is still on its way.
const MINIMUM_AGE_SECONDS: i32 = 5;

/// The services whose workflows are compared.
pub struct Owners {
    course: CourseStub<Transport>,
    enrollment: EnrollmentStub<Transport>,
    assistant: AssistantStub<Transport>,
}

impl Owners {
    /// Over these channels.
    pub fn new(course: Transport, enrollment: Transport, assistant: Transport) -> Self {
        Self {
            course: CourseStub::new(course),
            enrollment: EnrollmentStub::new(enrollment),
            assistant: AssistantStub::new(assistant),
        }
    }
}

/// Compares what is open with Temporal at every `interval` until the process stops; what fails is tried again.
pub async fn reconcile(
    Owners {
        course,
        enrollment,
        assistant,
    }: Owners,
    workflows: Arc<dyn Workflows>,
    interval: Duration,
    life: Lifecycle,
) -> Result<()> {
    loop {
        let workflows = workflows.as_ref();
        let compared = [
            ("schedules", schedules::ensure(workflows).await),
            ("publishes", reconcile_publishes(&course, workflows).await),
            (
                "onboardings",
                reconcile_onboardings(&enrollment, workflows, &life).await,
            ),
            ("generations", reconcile_generations(&assistant, workflows).await),
        ];
        if compared.iter().all(|(_, outcome)| outcome.is_ok()) {
            RECONCILER_ROUNDS.add(1, []);
        }
        for (what, outcome) in compared {
            if let Err(error) = outcome {
                tracing::warn!(what, error = %error.chain(), "will be compared with Temporal again");
            }
        }
        if !life.sleep(interval).await {
            return Ok(());
        }
    }
}

/// An onboarding is only ever started again: nothing of it is undone.
async fn reconcile_onboardings(
    enrollment: &EnrollmentStub<Transport>,
    workflows: &dyn Workflows,
    life: &Lifecycle,
) -> Result<()> {
    let page = |after_enrollment_id| async move {
        let request = ListOpenOnboardingsRequest {
            older_than_seconds: MINIMUM_AGE_SECONDS,
            after_enrollment_id,
        };
        Ok(enrollment
            .list_open_onboardings(Actor::Service.request(request))
            .await?)
    };
    let heal = |onboarding| start_again(enrollment, workflows, onboarding);
    over_all(page, life, heal).await
}

/// Goes over every page; one that cannot be healed now does not keep the others waiting. Somebody who does not answer
/// ends the look: he would not answer for the others either.
async fn over_all<P, H>(
    page: impl Fn(i64) -> P,
    life: &Lifecycle,
    heal: impl Fn(OpenOnboarding) -> H,
) -> Result<()>
where
    P: Future<Output = Result<OpenOnboardings>>,
    H: Future<Output = Result<()>>,
{
    let mut after = 0;
    loop {
        let open = page(after).await?;
        for onboarding in open.items {
            if life.token().is_cancelled() {
                return Ok(());
            }
            let workflow_id = onboarding.workflow_id.clone();
            match heal(onboarding).await {
                Ok(()) => {}
                Err(error) if error.is(&codes::UNAVAILABLE) => return Err(error),
                Err(error) => {
                    tracing::warn!(%workflow_id, error = %error.chain(), "an onboarding will be compared again");
                }
            }
        }
        // A page ends behind where it began, so the look ends.
        match open.next_after_enrollment_id {
            Some(next) if next > after => after = next,
            _ => return Ok(()),
        }
    }
}

async fn start_again(
    enrollment: &EnrollmentStub<Transport>,
    workflows: &dyn Workflows,
    onboarding: OpenOnboarding,
) -> Result<()> {
    let run = workflows.describe(&onboarding.workflow_id).await?;
    if run.is_some_and(|run| run.state == RunState::Running) {
        return Ok(());
    }
    let restart = RestartOnboardingRequest {
        enrollment_id: onboarding.enrollment_id,
        epoch: onboarding.epoch,
    };
    let restart = Actor::Service.request(restart);
    // What was open when it was listed may have ended with its run.
    if enrollment.restart_onboarding(restart).await?.restarted {
        RECONCILED.add(1, ["restart_onboarding"]);
        tracing::warn!(workflow_id = %onboarding.workflow_id, "an open onboarding had no workflow; it starts again");
    }
    Ok(())
}

/// A draft that is made changes nothing of the course: its workflow is only ever started again.
async fn reconcile_generations(
    assistant: &AssistantStub<Transport>,
    workflows: &dyn Workflows,
) -> Result<()> {
    let request = ListOpenGenerationsRequest {
        older_than_seconds: MINIMUM_AGE_SECONDS,
    };
    let open = assistant
        .list_open_generations(Actor::Service.request(request))
        .await?;
    for OpenGeneration {
        generation,
        workflow_id,
        run_id,
    } in open.items
    {
        let run = workflows.describe(&workflow_id).await?;
        if run.is_some_and(|run| run.state == RunState::Running) {
            continue;
        }
        let restart = Actor::Service.request(RestartGenerationRequest { generation, run_id });
        // What was open when it was listed may have ended with its run.
        if assistant.restart_generation(restart).await?.restarted {
            RECONCILED.add(1, ["restart_generation"]);
            tracing::warn!(%workflow_id, "an open generation had no workflow; it starts again");
        }
    }
    Ok(())
}

async fn reconcile_publishes(course: &CourseStub<Transport>, workflows: &dyn Workflows) -> Result<()> {
    let request = ListOpenAttemptsRequest {
        older_than_seconds: MINIMUM_AGE_SECONDS,
    };
    let open = course.list_open_attempts(Actor::Service.request(request)).await?;
    for attempt in open.items {
        // An attempt that cannot be healed now does not keep the others waiting.
        if let Err(error) = heal(course, workflows, &attempt).await {
            tracing::warn!(attempt_id = %attempt.attempt_id, error = %error.chain(), "an attempt will be compared again");
        }
    }
    Ok(())
}

async fn heal(
    course: &CourseStub<Transport>,
    workflows: &dyn Workflows,
    attempt: &OpenAttempt,
) -> Result<()> {
    let Some(restart) = decide(attempt, workflows).await? else {
        return Ok(());
    };
    let cleanup = restart.cleanup_reason.is_some();
    let restart = Actor::Service.request(restart);
    // What was open when it was listed may have ended with its run.
    if course.restart_attempt(restart).await?.restarted {
        let action = if cleanup {
            "clean_up_publish"
        } else {
            "restart_publish"
        };
        RECONCILED.add(1, [action]);
        tracing::warn!(
            attempt_id = %attempt.attempt_id,
            workflow_id = %attempt.workflow_id,
            cleanup,
            "an open attempt had no workflow; healing"
        );
    }
    Ok(())
}

/// What an open attempt needs, if anything.
async fn decide(attempt: &OpenAttempt, workflows: &dyn Workflows) -> Result<Option<RestartAttemptRequest>> {
    let again = |cleanup_reason| {
        Some(RestartAttemptRequest {
            attempt_id: attempt.attempt_id.clone(),
            run_id: attempt.run_id.clone(),
            cleanup_reason,
        })
    };
    let reason = |code: &str, message: &str| {
        Some(Problem {
            code: code.to_owned(),
            message: message.to_owned(),
        })
    };
    let lost = "The workflow ended without finishing; what it had done was undone.";
    let lost = || reason("publish_lost", lost);
    let late = "The workflow ran out of time; what it had done was undone.";
    let cleanup = publish_cleanup::workflow_id(&attempt.attempt_id);
    let cleanup = workflows.describe(&cleanup).await?;
    if cleanup.is_some_and(|run| run.state == RunState::Running) {
        return Ok(None);
    }
    let run = workflows.describe(&attempt.workflow_id).await?;
    let run = run.filter(|run| run.state == RunState::Running || !is_of_another(run, attempt));
    Ok(match run.map(|run| run.state) {
        Some(RunState::Running) => None,
        // Forgotten: a cancelled one is undone, any other one starts again. All its steps are idempotent.
        None if attempt.state() == PublishState::Cancelling => again(lost()),
        None => again(None),
        Some(RunState::TimedOut) => again(reason("publish_timed_out", late)),
        Some(RunState::Completed | RunState::Failed | RunState::Cancelled | RunState::Terminated) => {
            again(lost())
        }
    })
}

/// Whether a closed run is that of another attempt: it completed and never took this one up, or began before it was accepted. A
/// database that was put back to an earlier day gives a version's number again; Temporal, which was not, knows the run of the
/// first one.
fn is_of_another(run: &RunInfo, attempt: &OpenAttempt) -> bool {
    let accepted_at = attempt.accepted_at.as_ref().map(|at| at.seconds);
    attempt.run_id.is_none() && (run.state == RunState::Completed || run.started_at < accepted_at)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use smartcourse_platform::Error;

    use super::*;

    #[tokio::test]
    async fn every_page_is_looked_at_whatever_fails_before() {
        let onboarding = |enrollment_id: i64| OpenOnboarding {
            enrollment_id,
            epoch: 1,
            workflow_id: format!("enroll-{enrollment_id}"),
        };
        let page = |after: i64| {
            let items = (after + 1..=after + 2).map(onboarding).collect();
            let next_after_enrollment_id = (after < 4).then_some(after + 2);
            std::future::ready(Ok(OpenOnboardings {
                items,
                next_after_enrollment_id,
            }))
        };
        let healed = Mutex::new(Vec::new());
        let heal = |onboarding: OpenOnboarding| {
            healed.lock().unwrap().push(onboarding.enrollment_id);
            std::future::ready(match onboarding.enrollment_id {
                1 | 4 => Err(Error::internal("not this one")),
                _ => Ok(()),
            })
        };
        over_all(page, &Lifecycle::default(), heal).await.unwrap();
        assert_eq!(healed.into_inner().unwrap(), [1, 2, 3, 4, 5, 6]);
        let silent = |_| std::future::ready(Err(Error::new(&codes::UNAVAILABLE, "nobody answers")));
        let ended = over_all(page, &Lifecycle::default(), silent).await;
        assert!(ended.is_err_and(|error| error.is(&codes::UNAVAILABLE)));
    }
}
