//! The RPCs of [`EnrollmentService`].

use smartcourse_platform::{
    Error,
    error::codes,
    grpc::{Actor, from_workflow},
    unbroken,
};
use smartcourse_proto::{
    common::{EpochRef, VersionRef},
    course::Seats,
    enrollment::{
        Access, AccessRequest, Accessible, AccessibleRequest, EnrollRequest, Enrollment, EnrollmentPage,
        EnrollmentRef, EnsureRequest, Ensured, FinishedOnboarding, ListEnrollmentsRequest,
        ListOpenOnboardingsRequest, OpenOnboardings, PrepareRequest, ReportOnboardingRequest,
        RestartOnboardingRequest, SeatsOf, SeatsOfRequest, SeatsRequest, SetSeatLimitRequest,
        enrollment_service_server::EnrollmentService,
    },
    ids::UserId,
};
use tonic::{Request, Response, Status};

use crate::{State, access, enroll, leave, onboarding, prepare, read, seats};

/// The service.
pub struct Api(State);

impl Api {
    pub(crate) fn new(state: State) -> Self {
        Self(state)
    }
}

fn forbidden(why: &str) -> Error {
    Error::new(&codes::FORBIDDEN, why)
}

#[tonic::async_trait]
impl EnrollmentService for Api {
    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<Enrollment>, Status> {
        let actor = Actor::of(&request);
        Ok(Response::new(
            enroll::enroll(&self.0, actor, request.into_inner()).await?,
        ))
    }

    async fn get_enrollment(&self, request: Request<EnrollmentRef>) -> Result<Response<Enrollment>, Status> {
        let actor = Actor::of(&request);
        Ok(Response::new(
            read::get(&self.0, actor, request.into_inner().enrollment_id).await?,
        ))
    }

    async fn list_enrollments(
        &self,
        request: Request<ListEnrollmentsRequest>,
    ) -> Result<Response<EnrollmentPage>, Status> {
        let actor = Actor::of(&request);
        Ok(Response::new(
            read::list(&self.0, actor, request.into_inner()).await?,
        ))
    }

    async fn drop(&self, request: Request<EnrollmentRef>) -> Result<Response<()>, Status> {
        let actor = Actor::of(&request);
        let state = self.0.clone();
        // The progress service is told before our own commit.
        unbroken(async move { leave::drop_course(&state, actor, request.into_inner().enrollment_id).await })
            .await?;
        Ok(Response::new(()))
    }

    async fn ensure_enrollment(&self, request: Request<EnsureRequest>) -> Result<Response<Ensured>, Status> {
        let request = from_workflow(request)?;
        Ok(Response::new(onboarding::ensure(&self.0, request).await?))
    }

    async fn report_onboarding(
        &self,
        request: Request<ReportOnboardingRequest>,
    ) -> Result<Response<()>, Status> {
        onboarding::report(&self.0, from_workflow(request)?).await?;
        Ok(Response::new(()))
    }

    async fn finish_onboarding(
        &self,
        request: Request<EpochRef>,
    ) -> Result<Response<FinishedOnboarding>, Status> {
        let request = from_workflow(request)?;
        Ok(Response::new(onboarding::finish(&self.0, request).await?))
    }

    async fn list_open_onboardings(
        &self,
        request: Request<ListOpenOnboardingsRequest>,
    ) -> Result<Response<OpenOnboardings>, Status> {
        let request = from_workflow(request)?;
        Ok(Response::new(onboarding::open(&self.0, request).await?))
    }

    async fn restart_onboarding(
        &self,
        request: Request<RestartOnboardingRequest>,
    ) -> Result<Response<()>, Status> {
        onboarding::restart(&self.0, from_workflow(request)?).await?;
        Ok(Response::new(()))
    }

    async fn get_seats(&self, request: Request<SeatsRequest>) -> Result<Response<Seats>, Status> {
        Ok(Response::new(
            seats::get(&self.0.pool, request.into_inner().course_id).await?,
        ))
    }

    async fn set_seat_limit(&self, request: Request<SetSeatLimitRequest>) -> Result<Response<Seats>, Status> {
        Actor::of(&request).require_admin(|| forbidden("the course service sets the limit"))?;
        let SetSeatLimitRequest { course_id, max } = request.into_inner();
        Ok(Response::new(
            seats::set_limit(&self.0.pool, course_id, max).await?,
        ))
    }

    async fn get_access(&self, request: Request<AccessRequest>) -> Result<Response<Access>, Status> {
        let actor = Actor::of(&request);
        let AccessRequest { course_id, user_id } = request.into_inner();
        actor.require_self(UserId(user_id), || {
            forbidden("this is somebody else's enrollment")
        })?;
        Ok(Response::new(
            access::access(&self.0.pool, course_id, user_id).await?,
        ))
    }

    async fn settle_access(&self, request: Request<AccessRequest>) -> Result<Response<Access>, Status> {
        let AccessRequest { course_id, user_id } = from_workflow(request)?;
        Ok(Response::new(
            access::settled(&self.0.pool, course_id, user_id).await?,
        ))
    }

    async fn get_seats_of(&self, request: Request<SeatsOfRequest>) -> Result<Response<SeatsOf>, Status> {
        let items = seats::get_many(&self.0.reader, &request.into_inner().course_ids).await?;
        Ok(Response::new(SeatsOf { items }))
    }

    async fn list_accessible(
        &self,
        request: Request<AccessibleRequest>,
    ) -> Result<Response<Accessible>, Status> {
        let actor = Actor::of(&request);
        let user_id = request.into_inner().user_id;
        actor.require_self(UserId(user_id), || {
            forbidden("these are somebody else's enrollments")
        })?;
        Ok(Response::new(Accessible {
            course_ids: access::accessible(&self.0.pool, user_id).await?,
        }))
    }

    async fn prepare_course(&self, request: Request<PrepareRequest>) -> Result<Response<()>, Status> {
        prepare::prepare(&self.0.pool, &from_workflow(request)?).await?;
        Ok(Response::new(()))
    }

    async fn discard_course(&self, request: Request<VersionRef>) -> Result<Response<()>, Status> {
        prepare::discard(&self.0.pool, &from_workflow(request)?).await?;
        Ok(Response::new(()))
    }
}
