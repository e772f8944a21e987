//! `smartcourse.analytics.AnalyticsService`: decode, operate, encode.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Reply, from_service, reply};
use smartcourse_proto::{
    analytics::{analytics_service_server::AnalyticsService, *},
    common::Swept,
};
use tonic::Request;

use crate::{State, ops};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

#[tonic::async_trait]
impl AnalyticsService for Api {
    async fn get_platform(&self, request: Request<()>) -> Reply<PlatformNumbers> {
        reply(ops::metrics::platform(&self.0, Actor::of(&request)).await)
    }
    async fn get_course(&self, request: Request<SubjectRequest>) -> Reply<CourseNumbers> {
        reply(ops::metrics::course(&self.0, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn get_instructor(&self, request: Request<SubjectRequest>) -> Reply<InstructorNumbers> {
        reply(ops::metrics::instructor(&self.0, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn get_student(&self, request: Request<SubjectRequest>) -> Reply<StudentNumbers> {
        reply(ops::metrics::student(&self.0, Actor::of(&request), request.into_inner().id.into()).await)
    }
    async fn get_popular(&self, request: Request<PopularRequest>) -> Reply<Popular> {
        reply(ops::metrics::popular(&self.0, request.into_inner()).await)
    }
    async fn get_trends(&self, request: Request<TrendsRequest>) -> Reply<Trends> {
        reply(ops::trends::trends(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn request_report(&self, request: Request<RequestReportRequest>) -> Reply<Report> {
        reply(ops::reports::request(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_report(&self, request: Request<ReportRef>) -> Reply<Report> {
        reply(ops::reports::get(&self.0, Actor::of(&request), &request.into_inner().id).await)
    }
    async fn get_report_file(&self, request: Request<ReportRef>) -> Reply<ReportFile> {
        reply(ops::reports::file(&self.0, Actor::of(&request), &request.into_inner().id).await)
    }

    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::reports::sweep(&self.0).await)
    }
    async fn await_analytics(&self, request: Request<AwaitAnalyticsRequest>) -> Reply<AwaitedAnalytics> {
        reply(self.0.counted.wait_for(from_service(request)?).await)
    }
}
