//! CoursePublishing: from an accepted attempt to a published version, or to a state as if it had never begun.
//!
//! Trigger: the course service accepts a publish and the relay starts the workflow; any Temporal client may start it
//! with the course id alone. Id: `publish-{course_id}-v{version}`.
//!
//! Its steps, with their activities and what undoes them, are [`PUBLISHING`]; steps 4 and 5 are the two phases of the child
//! [`ContentProcessing`].
//!
//! Query `progress`; update `wait_step(n)` resolves when step n is reached or the run ends; signal `reached`.

use std::{ops::RangeInclusive, time::Duration};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use smartcourse_proto::{
    common::VersionRef,
    content::Readiness,
    course::{Attempt, BeginAttemptRequest, MarkPublishedRequest},
    enrollment::PrepareRequest,
    ids::{CourseId, VersionId},
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ChildWorkflowCancellationType, ChildWorkflowOptions, SyncWorkflowContext, WorkflowCancellationToken,
    WorkflowContext, WorkflowContextView, WorkflowResult, workflows,
};

use crate::{
    Cause, ContentProcessing,
    activities::{
        BeginAttempt, CheckAssets, IndexCourse, MarkPublished, PUBLISHING, PrepareEnrollment,
        PrepareProgress, SaveContent, UploadAssets, ValidateCourse,
    },
    at_hand::at_hand,
    both::both,
    content_processing::{self, ContentInput, EMBEDDING, EXTRACTING, Phase},
    contract::{Activity, Undo},
    policy::Settings,
    saga,
};

/// The id that names one publish of one version.
pub fn workflow_id(version: VersionId) -> String {
    format!("publish-{version}")
}

/// Input of the workflow. A raw start needs only the course.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishInput {
    /// The course.
    pub course_id: CourseId,
    /// The accepted attempt; absent for a raw start.
    #[serde(default)]
    pub attempt_id: Option<String>,
    /// Its version.
    #[serde(default)]
    pub version: Option<i32>,
    /// An earlier run of the attempt was lost by the server: whatever it may have done is undone with this run's own.
    #[serde(default)]
    pub resumed: bool,
    /// Deadline, lanes and retries.
    #[serde(default)]
    pub settings: Settings,
}

/// What a completed publish says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishResult {
    /// The version that is live.
    pub version: i32,
    /// Whether all its lessons can be asked about.
    pub ai_ready: bool,
}

/// How far the publish is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 before the first step, then 1 to 7.
    pub step: u8,
    /// Label of the step.
    pub label: String,
    /// True while the publish is being undone.
    pub compensating: bool,
    /// True when the run is about to end.
    pub finished: bool,
}

/// The workflow; its state is what the `progress` query shows.
#[workflow]
pub struct CoursePublishing {
    input: PublishInput,
    progress: Progress,
    undo: Vec<Undo>,
    /// Whether a page was done since the deadline was set.
    moved: bool,
}

#[workflow_methods]
impl CoursePublishing {
    #[init]
    fn new(_: &WorkflowContextView, input: PublishInput) -> Self {
        let undo = match input.resumed {
            true => PUBLISHING.undo_all(),
            false => Vec::new(),
        };
        Self {
            input,
            progress: Progress::default(),
            undo,
            moved: false,
        }
    }

    /// Begins the attempt, publishes, and undoes everything if that fails.
    #[run(name = "CoursePublishing")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<PublishResult> {
        let outcome = attempt(ctx).await;
        ctx.state_mut(|state| state.progress.finished = true);
        let handlers = ctx.clone();
        // An update that is being answered keeps the run open; its condition holds now that the run is finished.
        ctx.wait_condition(|_| handlers.all_handlers_finished())
            .await
            .ok();
        outcome.map_err(Cause::into_termination)
    }

    /// Content processing tells when it enters its second phase, and when it is through a page of either.
    #[signal(name = "reached")]
    pub fn reached(&mut self, ctx: &mut SyncWorkflowContext<Self>, step: u8) {
        self.moved |= step == self.progress.step;
        if step > self.progress.step && !self.progress.compensating {
            self.progress.step = step;
            self.progress.label = PUBLISHING.headline(step);
            ctx.set_current_details(format!("**{}**", self.progress.label));
        }
    }

    /// How far the publish is.
    #[query(name = "progress")]
    pub fn progress(&self, _: &WorkflowContextView) -> Progress {
        self.progress.clone()
    }

    /// Resolves when step `n` is reached or the run ends.
    #[update(name = "wait_step")]
    pub async fn wait_step(
        ctx: &mut WorkflowContext<Self>,
        n: u8,
    ) -> Result<Progress, Box<dyn std::error::Error + Send + Sync>> {
        ctx.wait_condition(|state| state.progress.step >= n || state.progress.finished)
            .await?;
        Ok(ctx.state(|state| state.progress.clone()))
    }
}

type Ctx = WorkflowContext<CoursePublishing>;

/// Codes with which the course service refuses a run: there is no attempt to undo.
const REFUSALS: [&str; 6] = [
    "attempt_closed",
    "publish_running",
    "not_found",
    "course_archived",
    "no_lessons",
    "validation_failed",
];

async fn attempt(ctx: &Ctx) -> Result<PublishResult, Cause> {
    let input = ctx.state(|state| state.input.clone());
    let facts = match begin(ctx, &input).await {
        Ok(facts) => facts,
        Err(cause) if REFUSALS.contains(&cause.code.as_str()) || input.attempt_id.is_none() => {
            return Err(cause);
        }
        Err(cause) => {
            let cause = cancelled_or(ctx, cause);
            let target = VersionRef {
                attempt_id: input.attempt_id.unwrap_or_default(),
                course_id: input.course_id.0,
                version: input.version.unwrap_or_default(),
            };
            return undo(ctx, &input.settings, &target, cause).await;
        }
    };
    if facts.already_published {
        return Ok(PublishResult {
            version: facts.version,
            ai_ready: true,
        });
    }
    let target = VersionRef {
        attempt_id: facts.attempt_id,
        course_id: input.course_id.0,
        version: facts.version,
    };
    match before_deadline(ctx, &input.settings, &target, facts.max_enrollments).await {
        Ok(readiness) => Ok(PublishResult {
            version: target.version,
            ai_ready: readiness.ai_ready,
        }),
        Err(cause) => undo(ctx, &input.settings, &target, cause).await,
    }
}

async fn begin(ctx: &Ctx, input: &PublishInput) -> Result<Attempt, Cause> {
    let begin = BeginAttemptRequest {
        course_id: input.course_id.0,
        attempt_id: input.attempt_id.clone(),
        workflow_id: ctx.workflow_id().to_owned(),
        run_id: ctx.run_id().to_owned(),
    };
    let summary = "Take up the attempt".to_owned();
    let token = ctx.cancellation_token();
    Ok(at_hand(ctx, &input.settings, BeginAttempt, begin, summary, &token).await?)
}

/// Runs the steps against the deadline; when it passes, the step under way is cancelled and waited for.
async fn before_deadline(
    ctx: &Ctx,
    settings: &Settings,
    target: &VersionRef,
    max_enrollments: Option<i32>,
) -> Result<Readiness, Cause> {
    let forward = ctx.cancellation_token().child_token();
    let mut steps = publish(ctx, settings, target, max_enrollments, &forward)
        .boxed_local()
        .fuse();
    let timed_out = loop {
        let mut deadline = ctx
            .timer(Duration::from_secs(settings.deadline_seconds))
            .boxed_local()
            .fuse();
        let fired = workflows::select! {
            outcome = &mut steps => return outcome.map_err(|cause| cancelled_or(ctx, cause)),
            _ = &mut deadline => !ctx.cancellation_token().is_cancelled(),
        };
        // A large course that goes on page by page has as long again.
        if !fired || !ctx.state_mut(|state| std::mem::take(&mut state.moved)) {
            break fired;
        }
    };
    if timed_out {
        forward.cancel_with_reason("the deadline passed");
    }
    match steps.await {
        Err(_) if timed_out => {
            let seconds = settings.deadline_seconds;
            let message = format!("The publish did not finish within {seconds} s.");
            Err(Cause::new("publish_timed_out", message))
        }
        outcome => outcome.map_err(|cause| cancelled_or(ctx, cause)),
    }
}

/// A step that was told to stop may still end with the error of its last try, which is not why the publish ends.
fn cancelled_or(ctx: &Ctx, cause: Cause) -> Cause {
    match ctx.cancellation_token().is_cancelled() {
        true => Cause::cancelled(),
        false => cause,
    }
}

/// The steps, from top to bottom.
async fn publish(
    ctx: &Ctx,
    settings: &Settings,
    target: &VersionRef,
    max_enrollments: Option<i32>,
    token: &WorkflowCancellationToken,
) -> Result<Readiness, Cause> {
    let step = enter(ctx, at(ValidateCourse));
    let half = token.child_token();
    both(
        &half,
        at_hand(ctx, settings, ValidateCourse, target.clone(), step.clone(), &half),
        at_hand(ctx, settings, CheckAssets, target.clone(), step, &half),
    )
    .await?;

    let step = enter(ctx, at(SaveContent));
    ctx.execute_activity(SaveContent, target.clone(), settings.quick(step, token))
        .await?;

    let step = enter(ctx, at(UploadAssets));
    ctx.execute_activity(UploadAssets, target.clone(), settings.long(step, token))
        .await?;

    enter(ctx, EXTRACTING..=EMBEDDING);
    let mut readiness = process_content(ctx, settings, target, token).await?;

    let step = enter(ctx, at(IndexCourse));
    let index = ctx
        .execute_activity(IndexCourse, target.clone(), settings.long(step, token))
        .await?;
    readiness.warnings.extend(index.warnings);

    let step = enter(ctx, at(MarkPublished));
    let prepare = PrepareRequest {
        course_id: target.course_id,
        version: target.version,
        max_enrollments,
        attempt_id: target.attempt_id.clone(),
    };
    let half = token.child_token();
    both(
        &half,
        at_hand(ctx, settings, PrepareEnrollment, prepare, step.clone(), &half),
        at_hand(
            ctx,
            settings,
            PrepareProgress,
            target.clone(),
            step.clone(),
            &half,
        ),
    )
    .await?;
    // The flip is not cancelled half way: the attempt's row decides between it and a cancellation.
    let own = WorkflowCancellationToken::new();
    let facts = MarkPublishedRequest {
        attempt_id: target.attempt_id.clone(),
        ai_ready: readiness.ai_ready,
        warnings: readiness.warnings.clone(),
    };
    at_hand(ctx, settings, MarkPublished, facts, step, &own).await?;
    Ok(readiness)
}

/// Steps 4 and 5 in a child, which is waited for even when it is cancelled.
async fn process_content(
    ctx: &Ctx,
    settings: &Settings,
    target: &VersionRef,
    token: &WorkflowCancellationToken,
) -> Result<Readiness, Cause> {
    let input = ContentInput {
        target: target.clone(),
        parent_workflow_id: Some(ctx.workflow_id().to_owned()),
        settings: settings.clone(),
        phase: Phase::default(),
        from: 0,
    };
    let options = ChildWorkflowOptions::builder()
        .workflow_id(content_processing::workflow_id(target.into()))
        .cancel_type(ChildWorkflowCancellationType::WaitCancellationCompleted)
        .cancellation_token(token.clone())
        .execution_timeout(settings.execution_timeout())
        .static_summary(format!(
            "Text and vectors of course {} version {}",
            target.course_id, target.version
        ))
        .search_attributes(ctx.search_attributes())
        .build();
    let child = ctx
        .start_child_workflow(ContentProcessing::run, input, options)
        .await?;
    Ok(child.result().await?)
}

/// The step of an activity.
fn at<A: Activity>(_: A) -> RangeInclusive<u8> {
    A::DECLARATION.number()..=A::DECLARATION.number()
}

/// Enters the first of these steps, and notes what undoes all of them; answers what people read.
fn enter(ctx: &Ctx, steps: RangeInclusive<u8>) -> String {
    let number = *steps.start();
    let headline = PUBLISHING.headline(number);
    ctx.set_current_details(format!("**{headline}**"));
    ctx.state_mut(|state| {
        state.progress.step = number;
        state.progress.label.clone_from(&headline);
        state.undo.extend(PUBLISHING.undo(steps));
    });
    headline
}

/// Undoes what was begun. The publish still completes when the flip turns out to have come first.
async fn undo(
    ctx: &Ctx,
    settings: &Settings,
    target: &VersionRef,
    cause: Cause,
) -> Result<PublishResult, Cause> {
    ctx.state_mut(|state| state.progress.compensating = true);
    ctx.set_current_details(format!("**Undoing**: {}", cause.message));
    let undo = ctx.state(|state| state.undo.clone());
    if saga::compensate(ctx, settings, target, &undo, &cause).await? {
        return Ok(PublishResult {
            version: target.version,
            ai_ready: true,
        });
    }
    Err(cause)
}
