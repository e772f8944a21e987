//! ContentProcessing: the text and the vectors of one version.
//!
//! Trigger: step 4 of a publish, or a client, to process a version again. Id: `content-{course_id}-v{version}`.
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
    content::{LessonPlan, LessonRef, LessonTask, Readiness},
    ids::VersionId,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SignalWorkflowOptions, WorkflowContext, WorkflowContextView, WorkflowResult, workflows,
};

use crate::{
    Cause, CoursePublishing,
    activities::{EmbedLesson, ExtractLesson, MarkAiReady, PlanEmbedding, PlanExtraction},
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
        process(ctx).await.map_err(Cause::into_termination)
    }

    /// How far the version is.
    #[query(name = "progress")]
    pub fn progress(&self, _: &WorkflowContextView) -> Progress {
        self.progress.clone()
    }
}

type Ctx = WorkflowContext<ContentProcessing>;

async fn process(ctx: &Ctx) -> Result<Readiness, Cause> {
    let input = ctx.state(|state| state.input.clone());
    let token = ctx.cancellation_token();
    let (target, settings) = (&input.target, &input.settings);

    let options = settings.long("Find the lessons that changed".to_owned(), &token);
    let plan = ctx
        .execute_activity(PlanExtraction, target.clone(), options)
        .await?;
    in_lanes(ctx, &input, plan, Phase::Extract).await?;

    if let Some(parent) = input.parent_workflow_id.clone() {
        // Only the parent's query depends on it; a parent that is gone has no readers.
        let (parent, options) = (
            ctx.external_workflow(parent, None),
            SignalWorkflowOptions::default(),
        );
        drop(parent.signal(CoursePublishing::reached, EMBEDDING, options).await);
    }
    let options = settings.long("Find the chunks the model has not seen".to_owned(), &token);
    let plan = ctx
        .execute_activity(PlanEmbedding, target.clone(), options)
        .await?;
    in_lanes(ctx, &input, plan, Phase::Embed).await?;

    let options = settings.quick("Count chunks against vectors".to_owned(), &token);
    Ok(ctx.execute_activity(MarkAiReady, target.clone(), options).await?)
}

#[derive(Clone, Copy)]
enum Phase {
    Extract,
    Embed,
}

/// Works through the lessons with a fixed number of lanes. The combinators of the futures crate wake in a way the
/// workflow runtime takes for non-determinism; a queue shared by lanes does not.
async fn in_lanes(ctx: &Ctx, input: &ContentInput, plan: LessonPlan, phase: Phase) -> Result<(), Cause> {
    let total = u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX);
    let step = match phase {
        Phase::Extract => EXTRACTING,
        Phase::Embed => EMBEDDING,
    };
    ctx.state_mut(|state| state.progress = Progress { step, done: 0, total });
    let queue = Rc::new(RefCell::new(plan.tasks.into_iter().collect::<VecDeque<_>>()));
    let done = Rc::new(Cell::new(0_u32));
    let lanes = (0..input.settings.lanes.max(1)).map(|_| {
        let (ctx, queue, done) = (ctx.clone(), Rc::clone(&queue), Rc::clone(&done));
        async move {
            loop {
                let next = queue.borrow_mut().pop_front();
                let Some(lesson) = next else { return Ok(()) };
                let progress = (done.get(), total);
                if let Err(cause) = one_lesson(&ctx, input, progress, lesson, phase).await {
                    // The other lanes finish what they have begun and take nothing new.
                    queue.borrow_mut().clear();
                    return Err(cause);
                }
                done.set(done.get() + 1);
                ctx.state_mut(|state| state.progress.done = done.get());
            }
        }
    });
    workflows::join_all(lanes).await.into_iter().collect()
}

async fn one_lesson(
    ctx: &Ctx,
    ContentInput { target, settings, .. }: &ContentInput,
    (done, total): (u32, u32),
    lesson: LessonTask,
    phase: Phase,
) -> Result<(), Cause> {
    let token = ctx.cancellation_token();
    let input = LessonRef {
        course_id: target.course_id,
        version: target.version,
        lesson_id: lesson.lesson_id,
        attempt_id: target.attempt_id.clone(),
        done,
        total,
    };
    match phase {
        Phase::Extract => {
            let options = settings.long(format!("Extract “{}”", lesson.title), &token);
            ctx.execute_activity(ExtractLesson, input, options).await?;
        }
        Phase::Embed => {
            let options = settings.long(format!("Embed “{}”", lesson.title), &token);
            ctx.execute_activity(EmbedLesson, input, options).await?;
        }
    }
    Ok(())
}
