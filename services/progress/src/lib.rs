//! The progress service: the lessons of each version that learners' progress is counted against.
//!
//! [`prepare`] is the publish step of this service and its undoing.

mod grpc;
mod prepare;

pub use grpc::Api;
use smartcourse_platform::{
    Result,
    config::Config,
    grpc::{MAX_MESSAGE, Transport},
    postgres,
};
use smartcourse_proto::progress::progress_service_server::{ProgressServiceServer, SERVICE_NAME};
use sqlx::{PgPool, migrate::Migrator};

/// The protobuf name of this service.
pub const NAME: &str = SERVICE_NAME;

/// The migrations of this service's schema.
pub fn migrator() -> Migrator {
    postgres::in_schema("progress", sqlx::migrate!("./migrations"))
}

/// The gRPC server of this service; `course` leads to the course service.
///
/// # Errors
/// None today; the signature is that of all services.
pub async fn service(
    _config: &Config,
    pool: PgPool,
    course: Transport,
) -> Result<ProgressServiceServer<Api>> {
    Ok(ProgressServiceServer::new(Api::new(pool, course))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}
