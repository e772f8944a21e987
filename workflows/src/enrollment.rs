//! Enrollment: what follows a taken seat, until the student is all set.
//!
//! Trigger: the enrollment service takes a seat – over HTTP, gRPC or for an event – and the relay starts the workflow; or
//! any Temporal client starts it with a course and a student, and its first step takes the seat under the same rules.
//! Id: `enroll-{course_id}-{user_id}`.
//!
//! Its steps are [`ONBOARDING`], local activities at first (`at_hand`), so that an enrollment nearly always is one task for the
//! server; step 4 is bounded and never fails the run.
//!
//! After the seat nothing is undone: a step is tried until it works, and the enrollment shows why it does not. Every
//! effect is keyed by (enrollment, epoch, step). Query `progress`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smartcourse_proto::{
    analytics::AwaitAnalyticsRequest,
    common::EpochRef,
    enrollment::EnsureRequest,
    ids::{CourseId, UserId},
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityExecutionError, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult,
};

use crate::{
    Cause,
    activities::{
        AwaitAnalytics, EnsureEnrollment, FinishOnboarding, InitialiseProgress, ONBOARDING, QueueWelcomeMail,
    },
    at_hand::at_hand,
    policy::Settings,
};

/// When the server ends a run whatever it does; the reconciler starts another, since the seat stays taken.
pub const EXECUTION_TIMEOUT: Duration = Duration::from_secs(24 * 3600);

/// Tries of the last step: it is a courtesy to whoever reads the numbers next.
const AWAIT_TRIES: u32 = 2;

/// How long the workflow's own task waits for analytics, in milliseconds: the task's place is taken meanwhile.
const SHORT_WAIT_MS: i32 = 250;

/// The id that names the onboarding of one student in one course.
pub fn workflow_id(course_id: CourseId, user_id: UserId) -> String {
    format!("enroll-{course_id}-{user_id}")
}

/// Input of the workflow. A raw start needs only the course and the student.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrollInput {
    /// The course.
    pub course_id: CourseId,
    /// The student.
    pub user_id: UserId,
    /// The accepted epoch; absent for a raw start.
    #[serde(default)]
    pub epoch: Option<i32>,
    /// Longest wait for analytics, in milliseconds.
    #[serde(default = "default_wait")]
    pub analytics_wait_ms: i32,
    /// Retries.
    #[serde(default)]
    pub settings: Settings,
}

fn default_wait() -> i32 {
    3000
}

/// What a completed run says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollResult {
    /// The enrollment.
    pub enrollment_id: i64,
    /// The epoch that is onboarded.
    pub epoch: i32,
    /// Whether analytics had counted it when the run ended.
    pub counted: bool,
}

/// How far the onboarding is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnboardingProgress {
    /// 0 before the first step, then 1 to 4.
    pub step: u8,
    /// What people read.
    pub label: String,
}

/// The workflow; its state is what the `progress` query shows.
#[workflow]
pub struct Enrollment {
    input: EnrollInput,
    progress: OnboardingProgress,
}

#[workflow_methods]
impl Enrollment {
    #[init]
    fn new(_: &WorkflowContextView, input: EnrollInput) -> Self {
        Self {
            input,
            progress: OnboardingProgress::default(),
        }
    }

    /// Onboards the epoch, and the next one when the student came back meanwhile.
    #[run(name = "Enrollment")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<EnrollResult> {
        onboard(ctx).await.map_err(Cause::into_termination)
    }

    /// How far the onboarding is.
    #[query(name = "progress")]
    pub fn progress(&self, _: &WorkflowContextView) -> OnboardingProgress {
        self.progress.clone()
    }
}

type Ctx = WorkflowContext<Enrollment>;

async fn onboard(ctx: &Ctx) -> Result<EnrollResult, Cause> {
    let input = ctx.state(|state| state.input.clone());
    let (settings, token) = (&input.settings, &ctx.cancellation_token());
    let mut accepted = input.epoch;
    loop {
        let step = enter(ctx, 1);
        let ensure = EnsureRequest {
            course_id: input.course_id.0,
            user_id: input.user_id.0,
            epoch: accepted,
            workflow_id: ctx.workflow_id().to_owned(),
            run_id: ctx.run_id().to_owned(),
        };
        let facts = at_hand(ctx, settings, EnsureEnrollment, ensure, step, token).await?;
        let epoch = EpochRef {
            enrollment_id: facts.enrollment_id,
            epoch: facts.epoch,
            course_id: input.course_id.0,
            user_id: input.user_id.0,
        };
        if facts.nothing_to_do {
            return Ok(result(&epoch, true));
        }

        let step = enter(ctx, 2);
        at_hand(ctx, settings, InitialiseProgress, epoch, step, token).await?;

        let step = enter(ctx, 3);
        at_hand(ctx, settings, QueueWelcomeMail, epoch, step, token).await?;

        let counted = counted(ctx, &input, &epoch, facts.event_id, token).await?;

        let all_set = "Record that all is set".to_owned();
        let end = at_hand(ctx, settings, FinishOnboarding, epoch, all_set, token).await?;
        match end.next_epoch {
            Some(next) => accepted = Some(next),
            None => return Ok(result(&epoch, counted)),
        }
    }
}

/// Step 4: analytics is asked within the workflow's own task, where it nearly always has counted by then, and waited for in
/// a regular activity. Whatever goes wrong, but for a cancellation, the student is enrolled all the same.
async fn counted(
    ctx: &Ctx,
    input: &EnrollInput,
    epoch: &EpochRef,
    event_id: String,
    token: &WorkflowCancellationToken,
) -> Result<bool, Cause> {
    let step = enter(ctx, 4);
    let settings = Settings {
        retry_attempts: AWAIT_TRIES,
        ..input.settings.clone()
    };
    let wait = |wait_ms| AwaitAnalyticsRequest {
        event_id: event_id.clone(),
        wait_ms,
        enrollment_id: epoch.enrollment_id,
        epoch: epoch.epoch,
    };
    let short = input.analytics_wait_ms.min(SHORT_WAIT_MS);
    let local = settings.local(step.clone(), token);
    let mut awaited = ctx
        .execute_local_activity(AwaitAnalytics, wait(short), local)
        .await;
    if short < input.analytics_wait_ms && awaited.as_ref().is_ok_and(|awaited| !awaited.counted) {
        let regular = settings.quick(step, token);
        awaited = ctx
            .execute_activity(AwaitAnalytics, wait(input.analytics_wait_ms - short), regular)
            .await;
    }
    match awaited {
        Ok(awaited) => Ok(awaited.counted),
        Err(error @ ActivityExecutionError::Cancelled(_)) => Err(error.into()),
        Err(_) => Ok(false),
    }
}

fn result(epoch: &EpochRef, counted: bool) -> EnrollResult {
    EnrollResult {
        enrollment_id: epoch.enrollment_id,
        epoch: epoch.epoch,
        counted,
    }
}

/// Enters a step; answers what people read.
fn enter(ctx: &Ctx, number: u8) -> String {
    let label = ONBOARDING.headline(number);
    ctx.set_current_details(format!("**{label}**"));
    ctx.state_mut(|state| {
        state.progress = OnboardingProgress {
            step: number,
            label: label.clone(),
        }
    });
    label
}
