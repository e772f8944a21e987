//! What every activity needs around its one call.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use moka::sync::Cache;
use smartcourse_platform::{
    Error, fault,
    grpc::{Actor, Transport},
};
use smartcourse_proto::{
    analytics::{AwaitAnalyticsRequest, RequestReportRequest},
    assistant::{BeginGenerationRequest, DraftLessonRequest, FinishGenerationRequest, GenerationRef},
    common::{EpochRef, Problem, VersionRef},
    content::{LessonRef, PlanRequest},
    course::{BeginAttemptRequest, FinishAttemptRequest, MarkPublishedRequest, ReportStepRequest, StepState},
    enrollment::{EnsureRequest, PrepareRequest, ReportOnboardingRequest},
    stubs::{AssistantStub, CourseStub, EnrollmentStub},
};
use smartcourse_telemetry::{catalogue::ACTIVITY_SECONDS, request::with_request_id};
use smartcourse_workflows::contract::{Declaration, Step};
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tonic::Status;

/// How often an activity is heard from.
const BEAT: Duration = Duration::from_secs(1);

/// A report that takes longer is given up: the work matters more.
const REPORT_PATIENCE: Duration = Duration::from_secs(2);

/// Pause between two reports that a step is running.
const REPORT_PAUSE: Duration = Duration::from_millis(200);

/// Steps whose last report is remembered.
const STEPS_UNDER_WAY: u64 = 1000;

/// Tells the course service where the steps of a publish stand, the assistant service those of a generation, and the enrollment service
/// why an onboarding does not go on.
pub(crate) struct Reporter {
    course: CourseStub<Transport>,
    enrollment: EnrollmentStub<Transport>,
    assistant: AssistantStub<Transport>,
    recent: Cache<String, ()>,
}

/// What an activity works on: with its step, it decides who hears of its tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    /// An attempt to publish, with its lessons done and in all; every try is told.
    Attempt { id: String, done: u32, total: u32 },
    /// An epoch of an enrollment; failed tries are told, and the one that works after them.
    Epoch { enrollment_id: i64, epoch: i32 },
    /// A draft that is made, with its lessons done and in all; every try is told.
    Generation { id: String, done: u32, total: u32 },
    /// Nobody waits for it.
    Nobody,
}

impl Subject {
    /// Without an id, content is processed on its own.
    fn attempt(id: &str, done: u32, total: u32) -> Self {
        if id.is_empty() {
            return Self::Nobody;
        }
        let id = id.to_owned();
        Self::Attempt { id, done, total }
    }

    fn epoch(enrollment_id: i64, epoch: i32) -> Self {
        Self::Epoch { enrollment_id, epoch }
    }

    fn generation(generation: Option<&GenerationRef>, done: u32, total: u32) -> Self {
        let id = generation.map(|generation| generation.generation_id.clone());
        id.map_or(Self::Nobody, |id| Self::Generation { id, done, total })
    }
}

/// An input that says what its activity works on.
pub(crate) trait Concerns {
    fn subject(&self) -> Subject;
}

macro_rules! concerns {
    ($($input:ty: |$it:pat_param| $subject:expr;)*) => {$(
        impl Concerns for $input {
            fn subject(&self) -> Subject {
                let $it = self;
                $subject
            }
        }
    )*};
}

concerns! {
    VersionRef: |it| Subject::attempt(&it.attempt_id, 0, 0);
    PlanRequest: |it| Subject::attempt(&it.attempt_id, 0, 0);
    LessonRef: |it| Subject::attempt(&it.attempt_id, it.done, it.total);
    PrepareRequest: |it| Subject::attempt(&it.attempt_id, 0, 0);
    MarkPublishedRequest: |it| Subject::attempt(&it.attempt_id, 0, 0);
    BeginAttemptRequest: |_| Subject::Nobody;
    FinishAttemptRequest: |_| Subject::Nobody;
    EpochRef: |it| Subject::epoch(it.enrollment_id, it.epoch);
    AwaitAnalyticsRequest: |it| Subject::epoch(it.enrollment_id, it.epoch);
    EnsureRequest: |_| Subject::Nobody;
    GenerationRef: |it| Subject::generation(Some(it), 0, 0);
    DraftLessonRequest: |it| Subject::generation(it.generation.as_ref(), it.done, it.total);
    BeginGenerationRequest: |_| Subject::Nobody;
    FinishGenerationRequest: |_| Subject::Nobody;
    RequestReportRequest: |_| Subject::Nobody;
    (): |()| Subject::Nobody;
}

/// One try of an activity.
pub(crate) struct Work {
    /// What is declared of it.
    pub(crate) activity: Declaration,
    /// What it works on.
    pub(crate) subject: Subject,
    /// How far it is.
    pub(crate) done: Checkpoint,
}

/// Items an activity has done so far, sent with its heartbeats.
pub(crate) type Checkpoint = Arc<AtomicU32>;

impl Reporter {
    /// Reports over these channels.
    pub(crate) fn new(course: Transport, enrollment: Transport, assistant: Transport) -> Self {
        Self {
            course: CourseStub::new(course),
            enrollment: EnrollmentStub::new(enrollment),
            assistant: AssistantStub::new(assistant),
            recent: Cache::builder()
                .max_capacity(STEPS_UNDER_WAY)
                .time_to_live(REPORT_PAUSE)
                .build(),
        }
    }

    /// Runs one effect: heartbeats while it runs, stops it on cancellation, reports before it and when it fails.
    pub(crate) async fn perform<T>(
        &self,
        ctx: &ActivityContext,
        work: &Work,
        effect: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ActivityError> {
        let name = work.activity.name;
        let info = ctx.info();
        let (tries, trace) = (info.attempt, info.workflow_id.clone());
        // A regular activity of a few rows stands behind a local one that failed (`at_hand`).
        let again = tries > 1 || !info.is_local;
        let trace = trace.unwrap_or_default();
        with_request_id(trace.clone(), async {
            let begun = Instant::now();
            let point = format!("worker.{name}");
            fault::point(&point, "before_effect");
            // The report of the begin does not hold up the work; the one of a failure comes after it.
            let told = self.begun(work, tries);
            let (outcome, ()) = tokio::join!(beating(ctx, &work.done, effect), told);
            let outcome = match fault::refusal(name) {
                Some(refusal) => Some(Err(refusal)),
                None => outcome.map(|outcome| outcome.map_err(Error::from)),
            };
            fault::point(&point, "after_effect");
            let label = match &outcome {
                None => "cancelled",
                Some(Ok(_)) => "ok",
                Some(Err(error)) => error.code(),
            };
            ACTIVITY_SECONDS.since(begun, [name, label]);
            match outcome {
                None => Err(ActivityError::cancelled()),
                Some(Ok(value)) => {
                    if again {
                        self.recovered(work, tries).await;
                    }
                    Ok(value)
                }
                Some(Err(error)) => {
                    let retryable = error.kind().is_retryable();
                    tracing::warn!(activity = name, workflow_id = %trace, tries, retryable, error = %error.chain(), "activity failed");
                    self.failed(work, tries, &error).await;
                    Err(to_activity_error(&error))
                }
            }
        })
        .await
    }

    /// Whether a step was reported as running just now: lessons that take milliseconds need no report each.
    async fn is_known(&self, attempt_id: &str, step: u8, tries: u32) -> bool {
        let key = format!("{attempt_id}/{step}");
        if tries > 1 {
            self.recent.invalidate(&key);
            return false;
        }
        let known = self.recent.contains_key(&key);
        if !known {
            self.recent.insert(key, ());
        }
        known
    }

    async fn begun(&self, work: &Work, tries: u32) {
        if let (Subject::Attempt { id, .. } | Subject::Generation { id, .. }, Some(step)) =
            (&work.subject, work.activity.step)
            && !self.is_known(id, step.number, tries).await
        {
            self.report(work, step, StepState::Running, tries, None).await;
        }
    }

    async fn failed(&self, work: &Work, tries: u32, error: &Error) {
        let state = match error.kind().is_retryable() {
            true => StepState::Retrying,
            false => StepState::Failed,
        };
        if let Some(step) = work.activity.step {
            self.report(work, step, state, tries, Some(error)).await;
        }
    }

    /// A step of an onboarding that had failed is told to work; a step of a publish shows it by the next one.
    async fn recovered(&self, work: &Work, tries: u32) {
        if let (Subject::Epoch { .. }, Some(step)) = (&work.subject, work.activity.step) {
            self.report(work, step, StepState::Completed, tries, None).await;
        }
    }

    async fn report(&self, work: &Work, step: Step, state: StepState, tries: u32, error: Option<&Error>) {
        let attempt = i32::try_from(tries).unwrap_or(i32::MAX);
        let error = error.map(problem);
        match &work.subject {
            Subject::Attempt { id, done, total } | Subject::Generation { id, done, total } => {
                let request = ReportStepRequest {
                    attempt_id: id.clone(),
                    step: i32::from(step.number),
                    state: state.into(),
                    attempt,
                    error,
                    done: i32::try_from(*done).unwrap_or(i32::MAX),
                    total: i32::try_from(*total).unwrap_or(i32::MAX),
                    next_retry_at: None,
                };
                let request = Actor::Service.request(request);
                match &work.subject {
                    Subject::Generation { .. } => told(self.assistant.report_generation(request)).await,
                    _ => told(self.course.report_step(request)).await,
                }
            }
            Subject::Epoch { enrollment_id, epoch } => {
                let request = ReportOnboardingRequest {
                    enrollment_id: *enrollment_id,
                    epoch: *epoch,
                    step: step.name.to_owned(),
                    attempt,
                    error,
                };
                told(self.enrollment.report_onboarding(Actor::Service.request(request))).await;
            }
            Subject::Nobody => {}
        }
    }
}

fn problem(error: &Error) -> Problem {
    Problem {
        code: error.code().to_owned(),
        message: error.detail().to_owned(),
    }
}

/// Progress is for readers: a report that cannot be made is logged and does not stop the work.
async fn told<T>(report: impl Future<Output = Result<T, Status>>) {
    let told = tokio::time::timeout(REPORT_PATIENCE, report).await;
    let told = told.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")));
    if let Err(status) = told {
        tracing::warn!(error = %Error::from(status).chain(), "progress could not be reported");
    }
}

/// Runs the effect with a heartbeat each second; `None` when the activity was cancelled first.
async fn beating<T>(
    ctx: &ActivityContext,
    checkpoint: &Checkpoint,
    effect: impl Future<Output = Result<T, Status>>,
) -> Option<Result<T, Status>> {
    let mut effect = std::pin::pin!(effect);
    // The first beat is due after a second: most activities are over before it.
    let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT, BEAT);
    loop {
        tokio::select! {
            outcome = &mut effect => return Some(outcome),
            () = ctx.cancelled() => return None,
            _ = beat.tick() => {
                if let Err(error) = ctx.record_heartbeat(checkpoint.load(Ordering::Relaxed)).await {
                    tracing::warn!(%error, "a heartbeat could not be written");
                }
            }
        }
    }
}

/// The third projection of an error: an application failure whose type is the code. One that says when to come again
/// (`retry_after`, in seconds) is tried again then.
fn to_activity_error(error: &Error) -> ActivityError {
    let detail = Box::<dyn std::error::Error + Send + Sync>::from(error.detail());
    let after = error.facts().iter().find(|(name, _)| name == "retry_after");
    let after = after
        .and_then(|(_, seconds)| seconds.as_u64())
        .map(Duration::from_secs);
    let failure = ApplicationFailure::builder(detail)
        .type_name(error.code().to_owned())
        .maybe_next_retry_delay(after)
        .non_retryable(!error.kind().is_retryable());
    ActivityError::application(failure.build())
}
