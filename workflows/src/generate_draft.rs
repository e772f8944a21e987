//! GenerateDraft: a summary, objectives, a glossary or a quiz of a published version, as a draft for its instructor.
//!
//! Trigger: `POST /courses/{id}/generate`; the relay starts it. Id: `generate-{generation_id}`.
//!
//! Its steps are [`GENERATING`]. What a lesson gives is kept by (generation, lesson), so that a try that is made again goes on. Nothing of the
//! course is changed: a run that fails or is cancelled leaves its record, and nothing else.

use serde::{Deserialize, Serialize};
use smartcourse_proto::{
    assistant::{BeginGenerationRequest, DraftLessonRequest, FinishGenerationRequest, GenerationRef},
    common::Problem,
    course::PublishState,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::{
    Cause,
    activities::{
        BeginGeneration, CompleteGeneration, DraftLesson, FinishGeneration, GENERATING, PlanGeneration,
    },
    policy::Settings,
};

/// The id that names the run of one generation.
pub fn workflow_id(generation_id: &str) -> String {
    format!("generate-{generation_id}")
}

/// Input of the workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GenerateInput {
    /// What is made.
    pub generation: GenerationRef,
    /// Retries.
    #[serde(default)]
    pub settings: Settings,
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationProgress {
    /// 0 before the first step.
    pub step: u8,
    /// What people read.
    pub label: String,
    /// Lessons done, and in all.
    pub done: u32,
    /// In all.
    pub total: u32,
}

/// The workflow; its state is what the `progress` query shows.
#[workflow]
pub struct GenerateDraft {
    input: GenerateInput,
    progress: GenerationProgress,
}

#[workflow_methods]
impl GenerateDraft {
    #[init]
    fn new(_: &WorkflowContextView, input: GenerateInput) -> Self {
        Self {
            input,
            progress: GenerationProgress::default(),
        }
    }

    /// Makes the draft; records how it ended when it does not.
    #[run(name = "GenerateDraft")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let Err(cause) = generate(ctx).await else {
            return Ok(());
        };
        let input = ctx.state(|state| state.input.clone());
        let state = match cause.cancelled {
            true => PublishState::Cancelled,
            false => PublishState::Failed,
        };
        let end = FinishGenerationRequest {
            generation: Some(input.generation),
            state: state.into(),
            error: Some(Problem {
                code: cause.code.clone(),
                message: cause.message.clone(),
            }),
        };
        let options = input.settings.compensation("Record how it ended".to_owned());
        ctx.execute_activity(FinishGeneration, end, options)
            .await
            .map_err(|error| Cause::from(error).into_termination())?;
        Err(cause.into_termination())
    }

    /// How far it is.
    #[query(name = "progress")]
    pub fn progress(&self, _: &WorkflowContextView) -> GenerationProgress {
        self.progress.clone()
    }
}

type Ctx = WorkflowContext<GenerateDraft>;

async fn generate(ctx: &Ctx) -> Result<(), Cause> {
    let GenerateInput { generation, settings } = ctx.state(|state| state.input.clone());
    let token = ctx.cancellation_token();
    let begin = BeginGenerationRequest {
        generation: Some(generation.clone()),
        run_id: ctx.run_id().to_owned(),
    };
    let options = settings.quick("Begin".to_owned(), &token);
    ctx.execute_activity(BeginGeneration, begin, options).await?;

    let step = settings.quick(enter(ctx, 1), &token);
    let plan = ctx
        .execute_activity(PlanGeneration, generation.clone(), step)
        .await?;

    let total = u32::try_from(plan.lesson_ids.len()).unwrap_or(u32::MAX);
    let label = enter(ctx, 2);
    for (lesson_id, done) in plan.lesson_ids.into_iter().zip(0_u32..) {
        ctx.state_mut(|state| (state.progress.done, state.progress.total) = (done, total));
        let lesson = DraftLessonRequest {
            generation: Some(generation.clone()),
            lesson_id,
            done,
            total,
        };
        ctx.execute_activity(DraftLesson, lesson, settings.long(label.clone(), &token))
            .await?;
    }

    let step = settings.quick(enter(ctx, 3), &token);
    ctx.execute_activity(CompleteGeneration, generation, step).await?;
    Ok(())
}

/// Enters a step; answers what people read.
fn enter(ctx: &Ctx, number: u8) -> String {
    let label = GENERATING.headline(number);
    ctx.set_current_details(format!("**{label}**"));
    ctx.state_mut(|state| {
        (state.progress.step, state.progress.label) = (number, label.clone());
    });
    label
}
