//! Activities that come by the clock.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Transport};
use smartcourse_proto::{
    analytics::{RequestReportRequest, analytics_service_client::AnalyticsServiceClient},
    content::content_service_client::ContentServiceClient,
    user::user_service_client::UserServiceClient,
};
use smartcourse_workflows::upkeep as contract;
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

use crate::{LONGEST_CALL, Reporter, Services, report::Subject};

/// Calls the services that have something to do by the clock.
pub struct UpkeepActs {
    analytics: AnalyticsServiceClient<Transport>,
    content: ContentServiceClient<Transport>,
    user: UserServiceClient<Transport>,
    reporter: Reporter,
}

impl UpkeepActs {
    /// Over these ways.
    pub fn new(services: &Services, reporter: Reporter) -> Self {
        Self {
            // A clean-up takes as long as there is something to remove.
            analytics: AnalyticsServiceClient::new(services.analytics.clone().with_deadline(LONGEST_CALL)),
            content: ContentServiceClient::new(services.content.clone()),
            user: UserServiceClient::new(services.user.clone()),
            reporter,
        }
    }
}

#[activities]
impl UpkeepActs {
    /// See the contract.
    #[activity(definition = contract::RequestReport)]
    pub async fn request_report(
        self: Arc<Self>,
        ctx: ActivityContext,
        key: String,
    ) -> Result<String, ActivityError> {
        let request = RequestReportRequest {
            idempotency_key: Some(key),
        };
        let mut analytics = self.analytics.clone();
        let effect = analytics.request_report(Actor::Service.request(request));
        let report = self
            .reporter
            .perform(&ctx, "analytics.request_report", Subject::Nobody, effect)
            .await?;
        Ok(report.into_inner().id)
    }

    /// See the contract.
    #[activity(definition = contract::SweepContent)]
    pub async fn sweep_content(self: Arc<Self>, ctx: ActivityContext, _: ()) -> Result<u64, ActivityError> {
        let mut content = self.content.clone();
        let effect = content.sweep(Actor::Service.request(()));
        let swept = self
            .reporter
            .perform(&ctx, "content.sweep", Subject::Nobody, effect)
            .await?;
        Ok(swept.into_inner().removed)
    }

    /// See the contract.
    #[activity(definition = contract::SweepTokens)]
    pub async fn sweep_tokens(self: Arc<Self>, ctx: ActivityContext, _: ()) -> Result<u64, ActivityError> {
        let mut user = self.user.clone();
        let effect = user.sweep(Actor::Service.request(()));
        let swept = self
            .reporter
            .perform(&ctx, "user.sweep", Subject::Nobody, effect)
            .await?;
        Ok(swept.into_inner().removed)
    }

    /// See the contract.
    #[activity(definition = contract::SweepSettled)]
    pub async fn sweep_settled(self: Arc<Self>, ctx: ActivityContext, _: ()) -> Result<u64, ActivityError> {
        let mut analytics = self.analytics.clone();
        let effect = analytics.sweep(Actor::Service.request(()));
        let swept = self
            .reporter
            .perform(&ctx, "analytics.sweep", Subject::Nobody, effect)
            .await?;
        Ok(swept.into_inner().removed)
    }
}
