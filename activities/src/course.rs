//! Activities of the course service.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Transport};
use smartcourse_proto::{
    common::Problem,
    course::{
        AttemptRef, BeginAttemptRequest, FinishAttemptRequest, MarkPublishedRequest, PublishState, Warning,
        course_service_client::CourseServiceClient,
    },
};
use smartcourse_workflows::contract::{
    self, AbortOutcome, AttemptFacts, BeginInput, FinishInput, PublishFacts, StepRef,
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::Reporter;

/// Calls the course service.
pub struct CourseActs {
    course: CourseServiceClient<Transport>,
    reporter: Reporter,
}

impl CourseActs {
    /// Over this way to the service.
    pub fn new(course: Transport, reporter: Reporter) -> Self {
        Self {
            course: CourseServiceClient::new(course),
            reporter,
        }
    }
}

fn attempt(step: &StepRef) -> tonic::Request<AttemptRef> {
    Actor::Service.request(AttemptRef {
        attempt_id: step.attempt_id.clone().unwrap_or_default(),
    })
}

#[activities]
impl CourseActs {
    /// See the contract.
    #[activity(definition = contract::BeginAttempt)]
    pub async fn begin_attempt(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: BeginInput,
    ) -> Result<AttemptFacts, ActivityError> {
        let request = BeginAttemptRequest {
            course_id: input.course_id,
            attempt_id: input.attempt_id,
            workflow_id: input.workflow_id,
            run_id: input.run_id,
        };
        let mut course = self.course.clone();
        let effect = async move { course.begin_attempt(Actor::Service.request(request)).await };
        let facts = self
            .reporter
            .perform(&ctx, "course.begin_attempt", &StepRef::default(), effect)
            .await?
            .into_inner();
        Ok(AttemptFacts {
            attempt_id: facts.attempt_id,
            version: facts.version,
            instructor_id: facts.instructor_id,
            max_enrollments: facts.max_enrollments,
            already_published: facts.already_published,
        })
    }

    /// See the contract.
    #[activity(definition = contract::ValidateCourse)]
    pub async fn validate_course(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        let mut course = self.course.clone();
        let effect = course.validate_course(attempt(&step));
        self.reporter
            .perform(&ctx, "course.validate_course", &step, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::SaveContent)]
    pub async fn save_content(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        let mut course = self.course.clone();
        let effect = course.save_content(attempt(&step));
        self.reporter
            .perform(&ctx, "course.save_content", &step, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::MarkPublished)]
    pub async fn mark_published(
        self: Arc<Self>,
        ctx: ActivityContext,
        facts: PublishFacts,
    ) -> Result<(), ActivityError> {
        let warnings = facts.readiness.warnings.into_iter().map(|warning| Warning {
            lesson_id: warning.lesson_id,
            code: warning.code,
            message: warning.message,
        });
        let request = MarkPublishedRequest {
            attempt_id: facts.step.attempt_id.clone().unwrap_or_default(),
            ai_ready: facts.readiness.ai_ready,
            warnings: warnings.collect(),
        };
        let mut course = self.course.clone();
        let effect = course.mark_published(Actor::Service.request(request));
        self.reporter
            .perform(&ctx, "course.mark_published", &facts.step, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::AbortVersion)]
    pub async fn abort_version(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<AbortOutcome, ActivityError> {
        let mut course = self.course.clone();
        let effect = course.abort_version(attempt(&step));
        let reply = self
            .reporter
            .perform(&ctx, "course.abort_version", &step.at(0), effect)
            .await?
            .into_inner();
        Ok(AbortOutcome {
            already_published: reply.already_published,
        })
    }

    /// See the contract.
    #[activity(definition = contract::DeleteVersion)]
    pub async fn delete_version(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        let mut course = self.course.clone();
        let effect = course.delete_version(attempt(&step));
        self.reporter
            .perform(&ctx, "course.delete_version", &step, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::FinishAttempt)]
    pub async fn finish_attempt(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: FinishInput,
    ) -> Result<(), ActivityError> {
        let state = if input.cancelled {
            PublishState::Cancelled
        } else {
            PublishState::Failed
        };
        let request = FinishAttemptRequest {
            attempt_id: input.attempt_id,
            state: state.into(),
            error: Some(Problem {
                code: input.code,
                message: input.message,
            }),
        };
        let mut course = self.course.clone();
        let effect = course.finish_attempt(Actor::Service.request(request));
        self.reporter
            .perform(&ctx, "course.finish_attempt", &StepRef::default(), effect)
            .await
            .map(drop)
    }
}
