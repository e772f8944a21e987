//! `smartcourse.enrollment.EnrollmentService`: decode, operate, encode.

use std::sync::Arc;

use smartcourse_platform::{
    grpc::{Actor, Reply, from_service, reply},
    unbroken,
};
use smartcourse_proto::{
    common::{EpochRef, Restarted, VersionRef},
    course::Seats,
    enrollment::{enrollment_service_server::EnrollmentService, *},
};
use tonic::Request;

use crate::{State, ops};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

#[tonic::async_trait]
impl EnrollmentService for Api {
    async fn enroll(&self, request: Request<EnrollRequest>) -> Reply<Enrollment> {
        reply(ops::enroll::enroll(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_enrollment(&self, request: Request<EnrollmentRef>) -> Reply<Enrollment> {
        let (actor, id) = (Actor::of(&request), request.into_inner().enrollment_id);
        reply(ops::read::get(&self.0, actor, id.into()).await)
    }
    async fn list_enrollments(&self, request: Request<ListEnrollmentsRequest>) -> Reply<EnrollmentPage> {
        reply(ops::read::list(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn drop(&self, request: Request<EnrollmentRef>) -> Reply<()> {
        let (state, actor) = (Arc::clone(&self.0), Actor::of(&request));
        let id = request.into_inner().enrollment_id.into();
        // The progress service is told before our own commit.
        reply(unbroken(async move { ops::leave::drop_course(&state, actor, id).await }).await)
    }
    async fn get_seats(&self, request: Request<SeatsRequest>) -> Reply<Seats> {
        reply(ops::seats::get(&self.0, request.into_inner().course_id.into()).await)
    }
    async fn get_seats_of(&self, request: Request<SeatsOfRequest>) -> Reply<SeatsOf> {
        reply(ops::seats::get_many(&self.0, &request.into_inner().course_ids).await)
    }
    async fn set_seat_limit(&self, request: Request<SetSeatLimitRequest>) -> Reply<Seats> {
        reply(ops::seats::set_limit(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_access(&self, request: Request<AccessRequest>) -> Reply<Access> {
        reply(ops::access::get(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn settle_access(&self, request: Request<AccessRequest>) -> Reply<Access> {
        reply(ops::access::settle(&self.0, from_service(request)?).await)
    }
    async fn list_accessible(&self, request: Request<AccessibleRequest>) -> Reply<Accessible> {
        reply(ops::access::list(&self.0, Actor::of(&request), request.into_inner().user_id.into()).await)
    }

    async fn ensure_enrollment(&self, request: Request<EnsureRequest>) -> Reply<Ensured> {
        reply(ops::onboarding::ensure(&self.0, from_service(request)?).await)
    }
    async fn report_onboarding(&self, request: Request<ReportOnboardingRequest>) -> Reply<()> {
        reply(ops::onboarding::report(&self.0, from_service(request)?).await)
    }
    async fn finish_onboarding(&self, request: Request<EpochRef>) -> Reply<FinishedOnboarding> {
        reply(ops::onboarding::finish(&self.0, from_service(request)?).await)
    }
    async fn list_open_onboardings(
        &self,
        request: Request<ListOpenOnboardingsRequest>,
    ) -> Reply<OpenOnboardings> {
        reply(ops::onboarding::open(&self.0, from_service(request)?).await)
    }
    async fn restart_onboarding(&self, request: Request<RestartOnboardingRequest>) -> Reply<Restarted> {
        reply(ops::onboarding::restart(&self.0, from_service(request)?).await)
    }
    async fn prepare_course(&self, request: Request<PrepareRequest>) -> Reply<()> {
        reply(ops::prepare::prepare(&self.0, &from_service(request)?).await)
    }
    async fn discard_course(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(ops::prepare::discard(&self.0, from_service(request)?.into()).await)
    }
}
