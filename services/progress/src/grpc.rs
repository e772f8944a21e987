//! `smartcourse.progress.ProgressService`: decode, operate, encode.

use std::sync::Arc;

use smartcourse_platform::grpc::{Actor, Reply, from_service, reply};
use smartcourse_proto::{
    common::{EpochRef, VersionRef},
    progress::{progress_service_server::ProgressService, *},
};
use tonic::Request;

use crate::{State, ops};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

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
        reply(ops::certificates::list(&self.0, Actor::of(&request), request.into_inner()).await)
    }
    async fn get_certificate(&self, request: Request<CertificateRef>) -> Reply<Certificate> {
        reply(ops::certificates::get(&self.0, &request.into_inner().code).await)
    }
    async fn get_certificate_pdf(&self, request: Request<CertificateRef>) -> Reply<CertificatePdf> {
        reply(ops::certificates::pdf(&self.0, &request.into_inner().code).await)
    }

    async fn prepare_course(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(ops::prepare::prepare(&self.0, from_service(request)?.into()).await)
    }
    async fn discard_course(&self, request: Request<VersionRef>) -> Reply<()> {
        reply(ops::prepare::discard(&self.0, from_service(request)?.into()).await)
    }
    async fn initialise_progress(&self, request: Request<EpochRef>) -> Reply<()> {
        reply(ops::initialise::initialise(&self.0, from_service(request)?).await)
    }
    async fn leave(&self, request: Request<LeaveRequest>) -> Reply<()> {
        reply(ops::leave::leave(&self.0, from_service(request)?).await)
    }
}
