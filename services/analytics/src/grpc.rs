//! The RPCs of [`AnalyticsService`], and who may see which numbers.

use std::{sync::Arc, time::Duration};

use smartcourse_platform::{
    Error,
    config::Config,
    error::codes,
    grpc::{Actor, Transport},
    page,
};
use smartcourse_proto::{
    analytics::{
        AwaitAnalyticsRequest, AwaitedAnalytics, CourseNumbers, InstructorNumbers, PlatformNumbers, Popular,
        PopularRequest, Report, ReportFile, ReportRef, RequestReportRequest, StudentNumbers, SubjectRequest,
        Trends, TrendsRequest, analytics_service_server::AnalyticsService,
    },
    common::Swept,
    course::CourseRef,
    ids::UserId,
    stubs::CourseStub,
};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::{awaiting::Counted, numbers, report, trends};

/// The service.
pub struct Api {
    pool: PgPool,
    course: CourseStub<Transport>,
    counted: Arc<Counted>,
    keep_reports: Duration,
}

impl Api {
    pub(crate) fn new(pool: PgPool, course: CourseStub<Transport>, config: &Config) -> Self {
        Self {
            counted: Arc::new(Counted::new(pool.clone())),
            pool,
            course,
            keep_reports: config.upkeep.keep_reports(),
        }
    }
}

fn require_admin(actor: Actor) -> smartcourse_platform::Result<()> {
    actor.require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators see these numbers"))
}

fn require_self(actor: Actor, id: i64) -> smartcourse_platform::Result<()> {
    actor.require_self(UserId(id), || {
        Error::new(&codes::FORBIDDEN, "these are somebody else's numbers")
    })
}

#[tonic::async_trait]
impl AnalyticsService for Api {
    async fn get_platform(&self, request: Request<()>) -> Result<Response<PlatformNumbers>, Status> {
        require_admin(Actor::of(&request))?;
        Ok(Response::new(numbers::platform(&self.pool).await?))
    }

    async fn get_course(&self, request: Request<SubjectRequest>) -> Result<Response<CourseNumbers>, Status> {
        let actor = Actor::of(&request);
        if !actor.is_privileged() {
            actor.user().map_err(Status::from)?;
        }
        let id = request.into_inner().id;
        // Asked as the caller: a draft of somebody else's does not exist.
        let course = self.course.get_course(actor.request(CourseRef { id })).await?;
        actor.require_owner(UserId(course.instructor_id), || {
            Error::new(
                &codes::FORBIDDEN,
                "these are the numbers of another instructor's course",
            )
        })?;
        Ok(Response::new(
            numbers::course(&self.pool, id, course.title).await?,
        ))
    }

    async fn get_instructor(
        &self,
        request: Request<SubjectRequest>,
    ) -> Result<Response<InstructorNumbers>, Status> {
        let actor = Actor::of(&request);
        let id = request.into_inner().id;
        require_self(actor, id)?;
        Ok(Response::new(numbers::instructor(&self.pool, id).await?))
    }

    async fn get_student(
        &self,
        request: Request<SubjectRequest>,
    ) -> Result<Response<StudentNumbers>, Status> {
        let actor = Actor::of(&request);
        let id = request.into_inner().id;
        require_self(actor, id)?;
        Ok(Response::new(numbers::student(&self.pool, id).await?))
    }

    async fn get_popular(&self, request: Request<PopularRequest>) -> Result<Response<Popular>, Status> {
        let limit = page::limit(request.into_inner().limit)?;
        Ok(Response::new(numbers::popular(&self.pool, limit).await?))
    }

    async fn get_trends(&self, request: Request<TrendsRequest>) -> Result<Response<Trends>, Status> {
        require_admin(Actor::of(&request))?;
        Ok(Response::new(
            trends::trends(&self.pool, request.into_inner()).await?,
        ))
    }

    async fn request_report(
        &self,
        request: Request<RequestReportRequest>,
    ) -> Result<Response<Report>, Status> {
        require_admin(Actor::of(&request))?;
        Ok(Response::new(
            report::request(&self.pool, request.into_inner()).await?,
        ))
    }

    async fn get_report(&self, request: Request<ReportRef>) -> Result<Response<Report>, Status> {
        require_admin(Actor::of(&request))?;
        Ok(Response::new(
            report::get(&self.pool, &request.into_inner().id).await?,
        ))
    }

    async fn get_report_file(&self, request: Request<ReportRef>) -> Result<Response<ReportFile>, Status> {
        require_admin(Actor::of(&request))?;
        Ok(Response::new(
            report::file(&self.pool, &request.into_inner().id).await?,
        ))
    }

    async fn sweep(&self, request: Request<()>) -> Result<Response<Swept>, Status> {
        Actor::of(&request).require_service()?;
        let removed = report::sweep(&self.pool, self.keep_reports).await?;
        Ok(Response::new(Swept { removed }))
    }

    async fn await_analytics(
        &self,
        request: Request<AwaitAnalyticsRequest>,
    ) -> Result<Response<AwaitedAnalytics>, Status> {
        Actor::of(&request).require_service()?;
        let AwaitAnalyticsRequest {
            event_id, wait_ms, ..
        } = request.into_inner();
        let wait = Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0));
        let counted = self.counted.wait_for(&event_id, wait).await?;
        Ok(Response::new(AwaitedAnalytics { counted }))
    }
}
