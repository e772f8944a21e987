//! Activities of the services that serve learners: enrollment and progress.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Transport};
use smartcourse_proto::{
    common::VersionRef,
    enrollment::{PrepareRequest, enrollment_service_client::EnrollmentServiceClient},
    progress::progress_service_client::ProgressServiceClient,
};
use smartcourse_workflows::contract::{self, PrepareInput, StepRef};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::Reporter;

fn version(step: &StepRef) -> tonic::Request<VersionRef> {
    Actor::Service.request(VersionRef {
        course_id: step.course_id,
        version: step.version,
    })
}

/// Calls the enrollment service.
pub struct EnrollmentActs {
    enrollment: EnrollmentServiceClient<Transport>,
    reporter: Reporter,
}

impl EnrollmentActs {
    /// Over this way to the service.
    pub fn new(enrollment: Transport, reporter: Reporter) -> Self {
        Self {
            enrollment: EnrollmentServiceClient::new(enrollment),
            reporter,
        }
    }
}

#[activities]
impl EnrollmentActs {
    /// See the contract.
    #[activity(definition = contract::PrepareEnrollment)]
    pub async fn prepare_enrollment(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: PrepareInput,
    ) -> Result<(), ActivityError> {
        let PrepareInput {
            step,
            max_enrollments,
        } = input;
        let request = PrepareRequest {
            course_id: step.course_id,
            version: step.version,
            max_enrollments,
        };
        let mut enrollment = self.enrollment.clone();
        let effect = enrollment.prepare_course(Actor::Service.request(request));
        self.reporter
            .perform(&ctx, "enrollment.prepare_course", &step, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::DiscardEnrollment)]
    pub async fn discard_enrollment(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        let mut enrollment = self.enrollment.clone();
        let effect = enrollment.discard_course(version(&step));
        self.reporter
            .perform(&ctx, "enrollment.discard_course", &step, effect)
            .await
            .map(drop)
    }
}

/// Calls the progress service.
pub struct ProgressActs {
    progress: ProgressServiceClient<Transport>,
    reporter: Reporter,
}

impl ProgressActs {
    /// Over this way to the service.
    pub fn new(progress: Transport, reporter: Reporter) -> Self {
        Self {
            progress: ProgressServiceClient::new(progress),
            reporter,
        }
    }
}

#[activities]
impl ProgressActs {
    /// See the contract.
    #[activity(definition = contract::PrepareProgress)]
    pub async fn prepare_progress(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        let mut progress = self.progress.clone();
        let effect = progress.prepare_course(version(&step));
        self.reporter
            .perform(&ctx, "progress.prepare_course", &step, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::DiscardProgress)]
    pub async fn discard_progress(
        self: Arc<Self>,
        ctx: ActivityContext,
        step: StepRef,
    ) -> Result<(), ActivityError> {
        let mut progress = self.progress.clone();
        let effect = progress.discard_course(version(&step));
        self.reporter
            .perform(&ctx, "progress.discard_course", &step, effect)
            .await
            .map(drop)
    }
}
