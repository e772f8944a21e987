//! `smartcourse.progress.ProgressService`: decode, operate, encode.

use smartcourse_platform::{
    Error,
    grpc::{Actor, from_workflow},
};
use smartcourse_proto::{
    common::{EpochRef, VersionRef},
    course::ManifestRequest,
    progress::{progress_service_server::ProgressService, *},
};
use tonic::{Request, Response, Status};

use crate::{State, leaving, ops, prepare};

/// The service.
pub struct Api(State);

impl Api {
    pub(crate) fn new(state: State) -> Self {
        Self(state)
    }
}

type Reply<T> = Result<Response<T>, Status>;

fn reply<T>(result: smartcourse_platform::Result<T>) -> Reply<T> {
    result.map(Response::new).map_err(Status::from)
}

#[tonic::async_trait]
impl ProgressService for Api {
    async fn complete_lesson(&self, request: Request<CompleteLessonRequest>) -> Reply<CourseProgress> {
        reply(ops::complete::complete(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn submit_attempt(&self, request: Request<SubmitAttemptRequest>) -> Reply<AttemptResult> {
        reply(ops::attempts::submit(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_progress(&self, request: Request<GetProgressRequest>) -> Reply<CourseProgress> {
        reply(ops::read::get(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn list_certificates(&self, request: Request<ListCertificatesRequest>) -> Reply<CertificatePage> {
        let actor = Actor::of(&request);
        reply(ops::certificates::list(&self.0.pool, actor, request.into_inner()).await)
    }
    async fn get_certificate(&self, request: Request<CertificateRef>) -> Reply<Certificate> {
        reply(ops::certificates::get(&self.0.pool, &request.get_ref().code).await)
    }
    async fn get_certificate_pdf(&self, request: Request<CertificateRef>) -> Reply<CertificatePdf> {
        reply(ops::certificates::pdf(&self.0, &request.get_ref().code).await)
    }

    async fn prepare_course(&self, request: Request<VersionRef>) -> Reply<()> {
        let version = from_workflow(request)?;
        let ask = ManifestRequest {
            course_id: version.course_id,
            version: version.version,
        };
        let manifest = self.0.course.get_manifest(Actor::Service.request(ask)).await?;
        let content = manifest
            .content
            .ok_or_else(|| Error::internal("a manifest without content"))?;
        reply(prepare::prepare(&self.0.pool, &version, &content).await)
    }
    async fn discard_course(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(prepare::discard(&self.0.pool, &from_workflow(request)?).await)
    }
    async fn leave(&self, request: Request<LeaveRequest>) -> Reply<()> {
        reply(leaving::leave(&self.0.pool, from_workflow(request)?).await)
    }
    async fn initialise_progress(&self, request: Request<EpochRef>) -> Reply<()> {
        reply(ops::initialise::initialise(&self.0, from_workflow(request)?).await)
    }
}
