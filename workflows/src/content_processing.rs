//! ContentProcessing: the text and the vectors of one version.
//!
//! Trigger: step 4 of a publish, or a client, to process a version again. Id: `content-{course_id}-v{version}`.
//!
//! A course of many lessons is worked through page by page, and every so many lessons a run continues as a new one. A recording that
//! is transcribed is extracted again until all of it is.
//!
//! Phase 1, step 4 of the publish, extracts each lesson that changed; phase 2, step 5, embeds each that the model has not
//! seen. `lanes` bounds how many at once. It never compensates: what it wrote belongs to the version, and whoever owns the
//! version drops it.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

use serde::{Deserialize, Serialize};
use smartcourse_proto::{
    common::VersionRef,
    content::{LessonPlan, LessonRef, LessonTask, PlanRequest, Readiness},
    ids::VersionId,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ContinueAsNewOptions, SignalWorkflowOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, workflows,
};

use crate::{
    Cause, CoursePublishing,
    activities::{EmbedLesson, ExtractLesson, MarkAiReady, PlanEmbedding, PlanExtraction},
    at_hand::at_hand,
    contract::Activity,
    policy::Settings,
};

/// The step of the publish phase 1 reports to.
pub const EXTRACTING: u8 = PlanExtraction::DECLARATION.number();
/// The step of the publish phase 2 reports to.
pub const EMBEDDING: u8 = PlanEmbedding::DECLARATION.number();

/// The id that names the processing of a version.
pub fn workflow_id(version: VersionId) -> String {
    format!("content-{version}")
}

/// Lessons, and plans, after which a run continues as a new one: each activity is three events of its history, and three more for
/// the workflow task behind it.
const LESSONS_OF_A_RUN: usize = 400;

/// What is done with the lessons.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Step 4 of the publish.
    #[default]
    Extract,
    /// Step 5.
    Embed,
}

impl Phase {
    fn step(self) -> u8 {
        match self {
            Self::Extract => EXTRACTING,
            Self::Embed => EMBEDDING,
        }
    }
}

/// Input of the workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ContentInput {
    /// The version, and the attempt that waits for it.
    pub target: VersionRef,
    /// The workflow to tell about phase 2.
    #[serde(default)]
    pub parent_workflow_id: Option<String>,
    /// Lanes and retries.
    #[serde(default)]
    pub settings: Settings,
    /// Where an earlier run has stopped.
    #[serde(default)]
    pub phase: Phase,
    /// Lessons of the phase that earlier runs have worked through.
    #[serde(default)]
    pub from: i32,
}

/// The workflow; its state is what the `progress` query shows.
#[workflow]
pub struct ContentProcessing {
    input: ContentInput,
    progress: Progress,
}

/// How far a version is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// 4 or 5; 0 before the first activity.
    pub step: u8,
    /// Lessons done in this phase.
    pub done: u32,
    /// Lessons of this phase in all.
    pub total: u32,
}

#[workflow_methods]
impl ContentProcessing {
    #[init]
    fn new(_: &WorkflowContextView, input: ContentInput) -> Self {
        Self {
            input,
            progress: Progress::default(),
        }
    }

    /// Extracts, then embeds.
    #[run(name = "ContentProcessing")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Readiness> {
        match process(ctx).await.map_err(Cause::into_termination)? {
            End::Ready(readiness) => Ok(readiness),
            End::Next(input) => match ctx.continue_as_new(input, ContinueAsNewOptions::default())? {},
        }
    }

    /// How far the version is.
    #[query(name = "progress")]
    pub fn progress(&self, _: &WorkflowContextView) -> Progress {
        self.progress.clone()
    }
}

type Ctx = WorkflowContext<ContentProcessing>;

/// How a run ends.
enum End {
    /// The version is ready.
    Ready(Readiness),
    /// So much of it is done that the rest is for a run of its own.
    Next(ContentInput),
}

async fn process(ctx: &Ctx) -> Result<End, Cause> {
    let input = ctx.state(|state| state.input.clone());
    let (target, settings) = (&input.target, &input.settings);
    if input.phase == Phase::Extract {
        if let Some(next) = in_pages(ctx, &input, Phase::Extract, input.from).await? {
            return Ok(End::Next(next));
        }
        tell_parent(ctx, &input, EMBEDDING).await;
    }
    let from = match input.phase {
        Phase::Extract => 0,
        Phase::Embed => input.from,
    };
    if let Some(next) = in_pages(ctx, &input, Phase::Embed, from).await? {
        return Ok(End::Next(next));
    }
    let (summary, token) = (
        "Count chunks against vectors".to_owned(),
        ctx.cancellation_token(),
    );
    let readiness = at_hand(ctx, settings, MarkAiReady, target.clone(), summary, &token).await?;
    Ok(End::Ready(readiness))
}

/// Only the parent's query and its deadline depend on it; a parent that is gone has no readers.
async fn tell_parent(ctx: &Ctx, input: &ContentInput, step: u8) {
    if let Some(parent) = input.parent_workflow_id.clone() {
        let (parent, options) = (
            ctx.external_workflow(parent, None),
            SignalWorkflowOptions::default(),
        );
        drop(parent.signal(CoursePublishing::reached, step, options).await);
    }
}

/// Works through the lessons of a phase, page by page; answers the input of the next run when this one has done its share.
async fn in_pages(
    ctx: &Ctx,
    input: &ContentInput,
    phase: Phase,
    mut from: i32,
) -> Result<Option<ContentInput>, Cause> {
    let token = ctx.cancellation_token();
    let mut share = LESSONS_OF_A_RUN;
    loop {
        let request = PlanRequest {
            course_id: input.target.course_id,
            version: input.target.version,
            attempt_id: input.target.attempt_id.clone(),
            from,
        };
        let plan = match phase {
            Phase::Extract => {
                let options = input
                    .settings
                    .long("Find the lessons that changed".to_owned(), &token);
                ctx.execute_activity(PlanExtraction, request, options).await?
            }
            Phase::Embed => {
                let options = input
                    .settings
                    .long("Find the chunks the model has not seen".to_owned(), &token);
                ctx.execute_activity(PlanEmbedding, request, options).await?
            }
        };
        let (next, count) = (plan.next_from, plan.tasks.len());
        in_lanes(ctx, input, plan, phase, from).await?;
        let Some(next) = next else { return Ok(None) };
        tell_parent(ctx, input, phase.step()).await;
        from = next;
        share = share.saturating_sub(count + 1);
        if share == 0 {
            let input = input.clone();
            return Ok(Some(ContentInput { phase, from, ..input }));
        }
    }
}

/// Works through the lessons with a fixed number of lanes. The combinators of the futures crate wake in a way the
/// workflow runtime takes for non-determinism; a queue shared by lanes does not.
async fn in_lanes(
    ctx: &Ctx,
    input: &ContentInput,
    plan: LessonPlan,
    phase: Phase,
    from: i32,
) -> Result<(), Cause> {
    // Of the lessons before this page nobody knows how many there was something to do for, and of those behind it neither.
    let behind = plan.next_from.map_or(0, |next| plan.total_lessons - next);
    let before = u32::try_from(from).unwrap_or_default();
    let tasks = u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX);
    let total = before + tasks + u32::try_from(behind).unwrap_or_default();
    let step = phase.step();
    ctx.state_mut(|state| {
        state.progress = Progress {
            step,
            done: before,
            total,
        }
    });
    let queue = Rc::new(RefCell::new(plan.tasks.into_iter().collect::<VecDeque<_>>()));
    let done = Rc::new(Cell::new(before));
    // A lesson that fails for good fails the version: what the others wait for, such as their next try, is of no use then.
    let token = ctx.cancellation_token().child_token();
    let failed = Rc::new(RefCell::new(None));
    let lanes = (0..input.settings.lanes.max(1)).map(|_| {
        let (ctx, queue, done) = (ctx.clone(), Rc::clone(&queue), Rc::clone(&done));
        let (token, failed) = (token.clone(), Rc::clone(&failed));
        async move {
            loop {
                let next = queue.borrow_mut().pop_front();
                let Some(lesson) = next else { return };
                let progress = (done.get(), total);
                if let Err(cause) = one_lesson(&ctx, input, progress, lesson, phase, &token).await {
                    queue.borrow_mut().clear();
                    failed.borrow_mut().get_or_insert(cause);
                    token.cancel_with_reason("another lesson failed");
                    return;
                }
                done.set(done.get() + 1);
                ctx.state_mut(|state| state.progress.done = done.get());
            }
        }
    });
    workflows::join_all(lanes).await;
    failed.take().map_or(Ok(()), Err)
}

async fn one_lesson(
    ctx: &Ctx,
    whole: &ContentInput,
    (done, total): (u32, u32),
    lesson: LessonTask,
    phase: Phase,
    token: &WorkflowCancellationToken,
) -> Result<(), Cause> {
    let ContentInput { target, settings, .. } = whole;
    let input = LessonRef {
        course_id: target.course_id,
        version: target.version,
        lesson_id: lesson.lesson_id,
        attempt_id: target.attempt_id.clone(),
        done,
        total,
        tries: settings.tries_outside(),
    };
    match phase {
        Phase::Extract => loop {
            let options = settings.long(format!("Extract “{}”", lesson.title), token);
            let extracted = ctx
                .execute_activity(ExtractLesson, input.clone(), options)
                .await?;
            if !extracted.unfinished {
                break;
            }
            // A long recording puts the deadline off, as a page of lessons does.
            tell_parent(ctx, whole, EXTRACTING).await;
        },
        Phase::Embed => {
            let options = settings.long(format!("Embed “{}”", lesson.title), token);
            ctx.execute_activity(EmbedLesson, input, options).await?;
        }
    }
    Ok(())
}
