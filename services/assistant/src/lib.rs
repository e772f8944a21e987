//! The assistant service: questions about a course, answered from its published version with checked citations.
//!
//! Owns schema `assistant` and the documents of collection `assistant.conversations`. Serves
//! `smartcourse.assistant.AssistantService`. Who may ask is decided by the gateway. Asks Temporal only for what the status of a
//! generation can show.

mod about_platform;
mod citation;
pub mod codes;
pub mod config;
mod drafting;
mod events;
mod grpc;
mod ops;
mod small_talk;
mod under_way;

use std::sync::Arc;

use smartcourse_platform::{
    Result,
    config::Config,
    grpc::Transport,
    ports::{answers::Answerer, documents::Documents, workflows::Workflows},
    postgres,
    runs::Runs,
};
use smartcourse_proto::{
    assistant::assistant_service_server::AssistantServiceServer,
    stubs::{ContentStub, CourseStub},
};
use smartcourse_workflows::activities::GENERATING;
use sqlx::{PgPool, migrate::Migrator};

pub use grpc::Api;
pub use ops::conversations::COLLECTION as DOCUMENTS;

/// The migrations of schema `assistant`.
pub fn migrator() -> Migrator {
    postgres::in_schema("assistant", sqlx::migrate!("./migrations"))
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) answerer: Arc<dyn Answerer>,
    pub(crate) limits: config::Assistant,
    pub(crate) under_way: under_way::UnderWay,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) content: ContentStub<Transport>,
    pub(crate) runs: Runs,
}

/// What the service stands on.
///
/// `documents` should not share the service's pool: a document is written while a transaction is open.
pub struct Dependencies {
    /// Conversations.
    pub documents: Arc<dyn Documents>,
    /// What answers.
    pub answerer: Arc<dyn Answerer>,
    /// Asked only for what the status of a generation can show.
    pub workflows: Arc<dyn Workflows>,
    /// What is published, and which workers live.
    pub course: Transport,
    /// Passages.
    pub content: Transport,
}

/// The gRPC server of this service.
///
/// # Errors
/// When the configuration lacks [`config::CONFIG`].
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<AssistantServiceServer<Api>> {
    let state = State {
        pool,
        documents: deps.documents,
        answerer: deps.answerer,
        limits: config.section()?,
        under_way: under_way::UnderWay::default(),
        course: CourseStub::new(deps.course),
        content: ContentStub::new(deps.content),
        runs: Runs::new(deps.workflows, |activity| GENERATING.number_of(activity)),
    };
    Ok(AssistantServiceServer::limited(Api(Arc::new(state))))
}
