//! The RPCs of [`EnrollmentService`].

use smartcourse_platform::{Error, error::codes, grpc::Actor};
use smartcourse_proto::{
    common::VersionRef,
    course::Seats,
    enrollment::{
        Access, AccessRequest, Accessible, AccessibleRequest, PrepareRequest, SeatsOf, SeatsOfRequest,
        SeatsRequest, SetSeatLimitRequest, enrollment_service_server::EnrollmentService,
    },
    ids::UserId,
};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{access, prepare, seats};

/// The service.
pub struct Api {
    pool: PgPool,
}

impl Api {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[tonic::async_trait]
impl EnrollmentService for Api {
    async fn get_seats(&self, request: Request<SeatsRequest>) -> Result<Response<Seats>, Status> {
        Ok(Response::new(
            seats::get(&self.pool, request.into_inner().course_id).await?,
        ))
    }

    async fn set_seat_limit(&self, request: Request<SetSeatLimitRequest>) -> Result<Response<Seats>, Status> {
        if !Actor::of(&request).is_privileged() {
            return Err(Error::new(&codes::FORBIDDEN, "the course service sets the limit").into());
        }
        let SetSeatLimitRequest { course_id, max } = request.into_inner();
        Ok(Response::new(seats::set_limit(&self.pool, course_id, max).await?))
    }

    async fn get_access(&self, request: Request<AccessRequest>) -> Result<Response<Access>, Status> {
        let actor = Actor::of(&request);
        let AccessRequest { course_id, user_id } = request.into_inner();
        if !actor.owns(UserId(user_id)) {
            return Err(Error::new(&codes::FORBIDDEN, "this is somebody else's enrollment").into());
        }
        Ok(Response::new(Access {
            enrolled: access::is_enrolled(&self.pool, course_id, user_id).await?,
        }))
    }

    async fn get_seats_of(&self, request: Request<SeatsOfRequest>) -> Result<Response<SeatsOf>, Status> {
        let items = seats::get_many(&self.pool, &request.into_inner().course_ids).await?;
        Ok(Response::new(SeatsOf { items }))
    }

    async fn list_accessible(
        &self,
        request: Request<AccessibleRequest>,
    ) -> Result<Response<Accessible>, Status> {
        let actor = Actor::of(&request);
        let user_id = request.into_inner().user_id;
        if !actor.owns(UserId(user_id)) {
            return Err(Error::new(&codes::FORBIDDEN, "these are somebody else's enrollments").into());
        }
        Ok(Response::new(Accessible {
            course_ids: access::accessible(&self.pool, user_id).await?,
        }))
    }

    async fn prepare_course(&self, request: Request<PrepareRequest>) -> Result<Response<()>, Status> {
        Actor::of(&request).require_service()?;
        prepare::prepare(&self.pool, request.get_ref()).await?;
        Ok(Response::new(()))
    }

    async fn discard_course(&self, request: Request<VersionRef>) -> Result<Response<()>, Status> {
        Actor::of(&request).require_service()?;
        prepare::discard(&self.pool, request.get_ref()).await?;
        Ok(Response::new(()))
    }
}
