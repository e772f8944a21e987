//! What every activity needs around its one call.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;
use smartcourse_platform::{
    Error, fault,
    grpc::{Actor, Transport},
    http::with_trace_id,
};
use smartcourse_proto::{
    common::Problem,
    course::{ReportStepRequest, StepState, course_service_client::CourseServiceClient},
    enrollment::{ReportOnboardingRequest, enrollment_service_client::EnrollmentServiceClient},
};
use smartcourse_workflows::{contract::StepRef, enrollment_contract::EpochRef};
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

/// Tells the course service where the steps of a publish stand, and the enrollment service why an onboarding does not
/// go on.
#[derive(Clone)]
pub struct Reporter {
    course: CourseServiceClient<Transport>,
    enrollment: EnrollmentServiceClient<Transport>,
    recent: Cache<String, ()>,
}

/// What an activity works on: it decides who hears of its tries.
pub(crate) enum Subject<'a> {
    /// A step of a publish; every try is told.
    Publish(&'a StepRef),
    /// A step of an onboarding; failed tries are told, and the one that works after them.
    Onboarding(&'a EpochRef, &'static str),
    /// Nobody waits for it.
    Nobody,
}

impl<'a> From<&'a StepRef> for Subject<'a> {
    fn from(step: &'a StepRef) -> Self {
        Self::Publish(step)
    }
}

/// Items an activity has done so far, sent with its heartbeats.
pub(crate) type Checkpoint = Arc<AtomicU32>;

impl Reporter {
    /// Reports over these ways to the course and the enrollment service.
    pub fn new(course: Transport, enrollment: Transport) -> Self {
        Self {
            course: CourseServiceClient::new(course),
            enrollment: EnrollmentServiceClient::new(enrollment),
            recent: Cache::builder()
                .max_capacity(STEPS_UNDER_WAY)
                .time_to_live(REPORT_PAUSE)
                .build(),
        }
    }

    /// Runs one effect: heartbeats while it runs, stops it on cancellation, reports before it and when it fails.
    pub(crate) async fn perform<'a, T>(
        &self,
        ctx: &ActivityContext,
        name: &str,
        subject: impl Into<Subject<'a>>,
        effect: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ActivityError> {
        self.perform_with(ctx, name, subject, &Checkpoint::default(), effect)
            .await
    }

    /// [`perform`](Self::perform) with a checkpoint the effect moves on.
    pub(crate) async fn perform_with<'a, T>(
        &self,
        ctx: &ActivityContext,
        name: &str,
        subject: impl Into<Subject<'a>>,
        checkpoint: &Checkpoint,
        effect: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, ActivityError> {
        let subject = subject.into();
        let info = ctx.info();
        let (tries, trace) = (info.attempt, info.workflow_id.clone());
        let trace = trace.unwrap_or_default();
        with_trace_id(trace.clone(), async {
            let point = format!("worker.{name}");
            fault::point(&point, "before_effect");
            // The report of the begin does not hold up the work; the one of a failure comes after it.
            let begun = self.begun(&subject, tries);
            let (outcome, ()) = tokio::join!(beating(ctx, checkpoint, effect), begun);
            let outcome = match fault::refusal(name) {
                Some(refusal) => Some(Err(refusal.into())),
                None => outcome,
            };
            fault::point(&point, "after_effect");
            match outcome {
                None => Err(ActivityError::cancelled()),
                Some(Ok(value)) => {
                    self.recovered(&subject, tries).await;
                    Ok(value)
                }
                Some(Err(status)) => {
                    let error = Error::from(status);
                    let retryable = error.kind().is_retryable();
                    tracing::warn!(activity = name, workflow_id = %trace, tries, retryable, error = %error.chain(), "activity failed");
                    self.failed(&subject, tries, &error).await;
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

    async fn begun(&self, subject: &Subject<'_>, tries: u32) {
        if let Subject::Publish(step) = subject
            && let Some(attempt_id) = &step.attempt_id
            && !self.is_known(attempt_id, step.step, tries).await
        {
            self.report_step(step, StepState::Running, tries, None).await;
        }
    }

    async fn failed(&self, subject: &Subject<'_>, tries: u32, error: &Error) {
        match subject {
            Subject::Publish(step) => {
                let state = if error.kind().is_retryable() {
                    StepState::Retrying
                } else {
                    StepState::Failed
                };
                self.report_step(step, state, tries, Some(error)).await;
            }
            Subject::Onboarding(epoch, step) => {
                self.report_onboarding(epoch, step, tries, Some(error)).await;
            }
            Subject::Nobody => {}
        }
    }

    /// A step of an onboarding that had failed is told to work; a step of a publish shows it by the next one.
    async fn recovered(&self, subject: &Subject<'_>, tries: u32) {
        if let Subject::Onboarding(epoch, step) = subject
            && tries > 1
        {
            self.report_onboarding(epoch, step, tries, None).await;
        }
    }

    async fn report_onboarding(&self, epoch: &EpochRef, step: &str, tries: u32, error: Option<&Error>) {
        let request = ReportOnboardingRequest {
            enrollment_id: epoch.enrollment_id,
            epoch: epoch.epoch,
            step: step.to_owned(),
            attempt: i32::try_from(tries).unwrap_or(i32::MAX),
            error: error.map(problem),
        };
        let mut enrollment = self.enrollment.clone();
        told(enrollment.report_onboarding(Actor::Service.request(request))).await;
    }

    async fn report_step(&self, step: &StepRef, state: StepState, tries: u32, error: Option<&Error>) {
        let (Some(attempt_id), 1..) = (&step.attempt_id, step.step) else {
            return;
        };
        let request = ReportStepRequest {
            attempt_id: attempt_id.clone(),
            step: i32::from(step.step),
            state: state.into(),
            attempt: i32::try_from(tries).unwrap_or(i32::MAX),
            error: error.map(problem),
            done: i32::try_from(step.done).unwrap_or(i32::MAX),
            total: i32::try_from(step.total).unwrap_or(i32::MAX),
            next_retry_at: None,
        };
        let mut course = self.course.clone();
        told(course.report_step(Actor::Service.request(request))).await;
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

/// The third projection of an error: an application failure whose type is the code.
fn to_activity_error(error: &Error) -> ActivityError {
    let failure = ApplicationFailure::builder(Box::<dyn std::error::Error + Send + Sync>::from(
        error.detail().to_owned(),
    ))
    .type_name(error.code().to_owned())
    .non_retryable(!error.kind().is_retryable())
    .build();
    ActivityError::application(failure)
}
