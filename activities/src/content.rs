//! Activities of the content service.

use std::sync::{Arc, atomic::Ordering};

use smartcourse_platform::grpc::{Actor, Transport};
use smartcourse_proto::{
    common::VersionRef,
    content::{
        DiscardRequest, LessonPlan as Plan, LessonRef, Part, content_service_client::ContentServiceClient,
    },
    course::Warning,
};
use smartcourse_workflows::contract::{
    self, LessonInput, LessonPlan, LessonWarning, PlannedLesson, Readiness, StepRef,
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tonic::Request;

use crate::{Reporter, report::Checkpoint};

/// Calls the content service.
pub struct ContentActs {
    content: ContentServiceClient<Transport>,
    reporter: Reporter,
}

impl ContentActs {
    /// Over this way to the service.
    pub fn new(content: Transport, reporter: Reporter) -> Self {
        Self {
            content: ContentServiceClient::new(content),
            reporter,
        }
    }

    async fn discard(
        &self,
        ctx: &ActivityContext,
        name: &str,
        step: &StepRef,
        part: Part,
    ) -> Result<(), ActivityError> {
        let request = DiscardRequest {
            course_id: step.course_id,
            version: step.version,
            part: part.into(),
        };
        let mut content = self.content.clone();
        let effect = content.discard(Actor::Service.request(request));
        self.reporter.perform(ctx, name, step, effect).await.map(drop)
    }
}

fn version(step: &StepRef) -> Request<VersionRef> {
    Actor::Service.request(VersionRef {
        course_id: step.course_id,
        version: step.version,
    })
}

fn lesson(input: &LessonInput) -> Request<LessonRef> {
    let LessonInput { step, lesson_id } = input;
    Actor::Service.request(LessonRef {
        course_id: step.course_id,
        version: step.version,
        lesson_id: lesson_id.clone(),
    })
}

fn plan(plan: Plan) -> LessonPlan {
    let lessons = plan.tasks.into_iter().map(|task| PlannedLesson {
        lesson_id: task.lesson_id,
        title: task.title,
    });
    LessonPlan {
        lessons: lessons.collect(),
    }
}

fn warning(warning: Warning) -> LessonWarning {
    LessonWarning {
        lesson_id: warning.lesson_id,
        code: warning.code,
        message: warning.message,
    }
}

fn count(items: i32) -> u32 {
    u32::try_from(items).unwrap_or(0)
}

#[activities]
impl ContentActs {
    /// See the contract.
    #[activity(definition = contract::CheckAssets)]
    pub async fn check_assets(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        let mut content = self.content.clone();
        self.reporter
            .perform(
                &ctx,
                "content.check_assets",
                &step,
                content.check_assets(version(&step)),
            )
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::UploadAssets)]
    pub async fn upload_assets(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<u32, ActivityError> {
        let mut content = self.content.clone();
        let effect = content.upload_assets(version(&step));
        let copied = self
            .reporter
            .perform(&ctx, "content.upload_assets", &step, effect)
            .await?
            .into_inner();
        Ok(count(copied.count))
    }

    /// See the contract.
    #[activity(definition = contract::PlanExtraction)]
    pub async fn plan_extraction(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<LessonPlan, ActivityError> {
        let mut content = self.content.clone();
        let effect = content.plan_extraction(version(&step));
        Ok(plan(
            self.reporter
                .perform(&ctx, "content.plan_extraction", &step, effect)
                .await?
                .into_inner(),
        ))
    }

    /// See the contract.
    #[activity(definition = contract::ExtractLesson)]
    pub async fn extract_lesson(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LessonInput,
    ) -> Result<Option<LessonWarning>, ActivityError> {
        let mut content = self.content.clone();
        let effect = content.extract_lesson(lesson(&input));
        let reply = self
            .reporter
            .perform(&ctx, "content.extract_lesson", &input.step, effect)
            .await?
            .into_inner();
        Ok(reply.warning.map(warning))
    }

    /// See the contract.
    #[activity(definition = contract::PlanEmbedding)]
    pub async fn plan_embedding(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<LessonPlan, ActivityError> {
        let mut content = self.content.clone();
        let effect = content.plan_embedding(version(&step));
        Ok(plan(
            self.reporter
                .perform(&ctx, "content.plan_embedding", &step, effect)
                .await?
                .into_inner(),
        ))
    }

    /// See the contract. The service keeps each finished batch, so a retry goes on where the last try stopped.
    #[activity(definition = contract::EmbedLesson)]
    pub async fn embed_lesson(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: LessonInput,
    ) -> Result<u32, ActivityError> {
        let done = Checkpoint::default();
        let mut content = self.content.clone();
        let effect = async {
            let mut progress = content.embed_lesson(lesson(&input)).await?.into_inner();
            while let Some(batch) = progress.message().await? {
                done.store(count(batch.done), Ordering::Relaxed);
            }
            Ok(())
        };
        self.reporter
            .perform_with(&ctx, "content.embed_lesson", &input.step, &done, effect)
            .await?;
        Ok(done.load(Ordering::Relaxed))
    }

    /// See the contract.
    #[activity(definition = contract::MarkAiReady)]
    pub async fn mark_ai_ready(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<Readiness, ActivityError> {
        let mut content = self.content.clone();
        let effect = content.mark_ai_ready(version(&step));
        let reply = self
            .reporter
            .perform(&ctx, "content.mark_ai_ready", &step, effect)
            .await?
            .into_inner();
        Ok(Readiness {
            ai_ready: reply.ai_ready,
            warnings: reply.warnings.into_iter().map(warning).collect(),
        })
    }

    /// See the contract.
    #[activity(definition = contract::IndexCourse)]
    pub async fn index_course(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<u32, ActivityError> {
        let mut content = self.content.clone();
        let effect = content.index_course(version(&step));
        Ok(count(
            self.reporter
                .perform(&ctx, "content.index_course", &step, effect)
                .await?
                .into_inner()
                .entries,
        ))
    }

    /// See the contract.
    #[activity(definition = contract::DiscardFiles)]
    pub async fn discard_files(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        self.discard(&ctx, "content.discard_files", &step, Part::Files)
            .await
    }

    /// See the contract.
    #[activity(definition = contract::DiscardChunks)]
    pub async fn discard_chunks(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        self.discard(&ctx, "content.discard_chunks", &step, Part::Chunks)
            .await
    }

    /// See the contract.
    #[activity(definition = contract::DiscardVectors)]
    pub async fn discard_vectors(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        self.discard(&ctx, "content.discard_vectors", &step, Part::Vectors)
            .await
    }

    /// See the contract.
    #[activity(definition = contract::DiscardIndex)]
    pub async fn discard_index(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        self.discard(&ctx, "content.discard_index", &step, Part::Index)
            .await
    }
}
