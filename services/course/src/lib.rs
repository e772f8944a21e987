//! The course service: courses, their drafts and versions, and the state of publishing.
//!
//! Owns schema `course` and the documents of collection `course.content`. Serves `smartcourse.course.CourseService`.
//! Asks Temporal only for what a status can show.
//!
//! Drafts are immutable documents: an edit writes a new one and moves the course's `draft_key`. A publish attempt pins
//! the key it found, so later edits belong to the next publish.

pub mod codes;
pub mod config;
mod consumers;
mod grpc;
mod model;
mod ops;
mod store;

use std::sync::Arc;

use smartcourse_platform::{
    Result,
    config::{Config, Temporal},
    grpc::Transport,
    ports::{documents::Documents, shared_reads::SharedReads, workflows::Workflows},
    postgres,
    read_through::ReadThrough,
    reader::Reader,
    runs::Runs,
};
use smartcourse_proto::{course::course_service_server::CourseServiceServer, stubs::EnrollmentStub};
use smartcourse_workflows::activities::PUBLISHING;
use sqlx::{PgPool, migrate::Migrator};

pub use consumers::Deletions;
pub use grpc::Api;
pub use store::CONTENT as DOCUMENTS;

/// The migrations of schema `course`.
pub fn migrator() -> Migrator {
    postgres::in_schema("course", sqlx::migrate!("./migrations"))
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    /// For what is read most.
    pub(crate) reader: Reader,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) reads: ReadThrough,
    pub(crate) temporal: Temporal,
    pub(crate) enrollment: EnrollmentStub<Transport>,
    pub(crate) settings: smartcourse_workflows::policy::Settings,
    pub(crate) limits: config::Course,
    pub(crate) runs: Runs,
}

/// What the service stands on.
///
/// `documents` should not share the service's pool: a document is written while a transaction is open.
pub struct Dependencies {
    /// Drafts and versions.
    pub documents: Arc<dyn Documents>,
    /// The catalogue and the contents of versions.
    pub shared_reads: Arc<dyn SharedReads>,
    /// Asked only for what a status can show.
    pub workflows: Arc<dyn Workflows>,
    /// Who keeps the limits of seats.
    pub enrollment: Transport,
}

/// The gRPC server of this service.
///
/// # Errors
/// When the settings of publishing were not declared.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<CourseServiceServer<Api>> {
    let publish: config::Publish = config.section()?;
    let state = State {
        reader: Reader::new(pool.clone()),
        pool,
        documents: deps.documents,
        reads: ReadThrough::new(deps.shared_reads),
        temporal: config.temporal.clone(),
        enrollment: EnrollmentStub::new(deps.enrollment),
        settings: smartcourse_workflows::policy::Settings {
            deadline_seconds: publish.deadline_seconds,
            lanes: publish.lanes,
            retry_initial_ms: publish.retry_initial_ms,
            retry_max_seconds: publish.retry_max_seconds,
            retry_attempts: publish.retry_attempts,
        },
        limits: config.section()?,
        runs: Runs::new(deps.workflows, |activity| PUBLISHING.number_of(activity)),
    };
    Ok(CourseServiceServer::limited(Api(Arc::new(state))))
}
