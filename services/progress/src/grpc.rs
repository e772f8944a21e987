//! The RPCs of [`ProgressService`].

use smartcourse_platform::{
    Error,
    grpc::{Actor, Transport},
    grpc_client,
};
use smartcourse_proto::{
    common::VersionRef,
    course::{ManifestRequest, course_service_client::CourseServiceClient},
    progress::progress_service_server::ProgressService,
};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use crate::prepare;

/// The service.
pub struct Api {
    pool: PgPool,
    course: CourseServiceClient<Transport>,
}

impl Api {
    pub(crate) fn new(pool: PgPool, course: Transport) -> Self {
        Self {
            pool,
            course: grpc_client!(CourseServiceClient<Transport>, course),
        }
    }
}

#[tonic::async_trait]
impl ProgressService for Api {
    async fn prepare_course(&self, request: Request<VersionRef>) -> Result<Response<()>, Status> {
        Actor::of(&request).require_service()?;
        let version = request.into_inner();
        let ask = ManifestRequest {
            course_id: version.course_id,
            version: version.version,
        };
        let manifest = self
            .course
            .clone()
            .get_manifest(Actor::Service.request(ask))
            .await?
            .into_inner();
        let content = manifest
            .content
            .ok_or_else(|| Error::internal("a manifest without content"))?;
        prepare::prepare(&self.pool, &version, &content).await?;
        Ok(Response::new(()))
    }

    async fn discard_course(&self, request: Request<VersionRef>) -> Result<Response<()>, Status> {
        Actor::of(&request).require_service()?;
        prepare::discard(&self.pool, request.get_ref()).await?;
        Ok(Response::new(()))
    }
}
