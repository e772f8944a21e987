//! Activities of an onboarding: each calls the one service its step belongs to.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Transport};
use smartcourse_proto::{
    analytics::{AwaitEventRequest, analytics_service_client::AnalyticsServiceClient},
    enrollment::{
        EnsureRequest, FinishOnboardingRequest, enrollment_service_client::EnrollmentServiceClient,
    },
    notification::{WelcomeMailRequest, notification_service_client::NotificationServiceClient},
    progress::{InitialiseRequest, progress_service_client::ProgressServiceClient},
};
use smartcourse_workflows::enrollment_contract::{
    self as contract, AwaitInput, EnrollmentFacts, EnsureInput, EpochRef, OnboardingEnd,
};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::{Reporter, Services, report::Subject};

/// Calls the services of an onboarding.
pub struct OnboardingActs {
    enrollment: EnrollmentServiceClient<Transport>,
    progress: ProgressServiceClient<Transport>,
    notification: NotificationServiceClient<Transport>,
    analytics: AnalyticsServiceClient<Transport>,
    reporter: Reporter,
}

impl OnboardingActs {
    /// Over these ways.
    pub fn new(services: &Services, reporter: Reporter) -> Self {
        Self {
            enrollment: EnrollmentServiceClient::new(services.enrollment.clone()),
            progress: ProgressServiceClient::new(services.progress.clone()),
            notification: NotificationServiceClient::new(services.notification.clone()),
            analytics: AnalyticsServiceClient::new(services.analytics.clone()),
            reporter,
        }
    }
}

#[activities]
impl OnboardingActs {
    /// See the contract.
    #[activity(definition = contract::EnsureEnrollment)]
    pub async fn ensure_enrollment(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: EnsureInput,
    ) -> Result<EnrollmentFacts, ActivityError> {
        let request = EnsureRequest {
            course_id: input.course_id,
            user_id: input.user_id,
            epoch: input.epoch,
            workflow_id: input.workflow_id,
            run_id: input.run_id,
        };
        let mut enrollment = self.enrollment.clone();
        let effect = enrollment.ensure_enrollment(Actor::Service.request(request));
        let facts = self
            .reporter
            .perform(&ctx, "enrollment.ensure_enrollment", Subject::Nobody, effect)
            .await?
            .into_inner();
        Ok(EnrollmentFacts {
            enrollment_id: facts.enrollment_id,
            epoch: facts.epoch,
            nothing_to_do: facts.nothing_to_do,
            event_id: facts.event_id,
        })
    }

    /// See the contract.
    #[activity(definition = contract::InitialiseProgress)]
    pub async fn initialise_progress(
        self: Arc<Self>,
        ctx: ActivityContext,
        epoch: EpochRef,
    ) -> Result<(), ActivityError> {
        let request = InitialiseRequest {
            enrollment_id: epoch.enrollment_id,
            epoch: epoch.epoch,
            course_id: epoch.course_id,
            user_id: epoch.user_id,
        };
        let mut progress = self.progress.clone();
        let effect = progress.initialise_progress(Actor::Service.request(request));
        let subject = Subject::Onboarding(&epoch, "initialise_progress");
        self.reporter
            .perform(&ctx, "progress.initialise_progress", subject, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::QueueWelcomeMail)]
    pub async fn queue_welcome_mail(
        self: Arc<Self>,
        ctx: ActivityContext,
        epoch: EpochRef,
    ) -> Result<(), ActivityError> {
        let request = WelcomeMailRequest {
            enrollment_id: epoch.enrollment_id,
            epoch: epoch.epoch,
            course_id: epoch.course_id,
            user_id: epoch.user_id,
        };
        let mut notification = self.notification.clone();
        let effect = notification.queue_welcome_mail(Actor::Service.request(request));
        let subject = Subject::Onboarding(&epoch, "queue_welcome_mail");
        self.reporter
            .perform(&ctx, "notification.queue_welcome_mail", subject, effect)
            .await
            .map(drop)
    }

    /// See the contract.
    #[activity(definition = contract::AwaitAnalytics)]
    pub async fn await_analytics(
        self: Arc<Self>,
        ctx: ActivityContext,
        input: AwaitInput,
    ) -> Result<bool, ActivityError> {
        let request = AwaitEventRequest {
            event_id: input.event_id,
            wait_ms: input.wait_ms,
        };
        let mut analytics = self.analytics.clone();
        let effect = analytics.await_event(Actor::Service.request(request));
        let subject = Subject::Onboarding(&input.epoch, "await_analytics");
        let awaited = self
            .reporter
            .perform(&ctx, "analytics.await_analytics", subject, effect)
            .await?;
        Ok(awaited.into_inner().counted)
    }

    /// See the contract.
    #[activity(definition = contract::FinishOnboarding)]
    pub async fn finish_onboarding(
        self: Arc<Self>,
        ctx: ActivityContext,
        epoch: EpochRef,
    ) -> Result<OnboardingEnd, ActivityError> {
        let request = FinishOnboardingRequest {
            enrollment_id: epoch.enrollment_id,
            epoch: epoch.epoch,
        };
        let mut enrollment = self.enrollment.clone();
        let effect = enrollment.finish_onboarding(Actor::Service.request(request));
        let end = self
            .reporter
            .perform(&ctx, "enrollment.finish_onboarding", Subject::Nobody, effect)
            .await?;
        Ok(OnboardingEnd {
            next_epoch: end.into_inner().next_epoch,
        })
    }
}
