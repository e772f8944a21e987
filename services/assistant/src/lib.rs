//! The assistant service: questions about a course, answered from its published version with checked citations.
//!
//! Owns schema `assistant` and the documents of collection `assistant.conversations`. Serves
//! `smartcourse.assistant.AssistantService`. Emits `assistant.answered`. Who may ask is decided by the gateway.

mod ask;
mod conversations;
mod grpc;

use std::sync::Arc;

use smartcourse_platform::{
    Result,
    grpc::{MAX_MESSAGE, Transport},
    ports::{answers::Answerer, documents::Documents},
    postgres,
};
use smartcourse_proto::{
    assistant::assistant_service_server::{AssistantServiceServer, SERVICE_NAME},
    stubs::{ContentStub, CourseStub},
};
use sqlx::{PgPool, migrate::Migrator};

pub use grpc::Api;

/// Name of the gRPC service, for health checks.
pub const NAME: &str = SERVICE_NAME;

/// The migrations of schema `assistant`.
pub fn migrator() -> Migrator {
    postgres::in_schema("assistant", sqlx::migrate!("./migrations"))
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) documents: Arc<dyn Documents>,
    pub(crate) answerer: Arc<dyn Answerer>,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) content: ContentStub<Transport>,
}

/// The gRPC service over a database, the documents, what answers, and the course and content services.
///
/// `documents` should not share `pool`: a document is written while a transaction is open.
///
/// # Errors
/// None today; the signature is that of all services.
pub fn service(
    pool: PgPool,
    documents: Arc<dyn Documents>,
    answerer: Arc<dyn Answerer>,
    course: Transport,
    content: Transport,
) -> Result<AssistantServiceServer<Api>> {
    let state = State {
        pool,
        documents,
        answerer,
        course: CourseStub::new(course),
        content: ContentStub::new(content),
    };
    Ok(AssistantServiceServer::new(Api::new(state)).max_decoding_message_size(MAX_MESSAGE))
}
