//! The enrollment service: the seats of courses, who holds one, and what a publish prepares for them.
//!
//! [`seats`] answers and sets limits, [`access`] says who may read, [`prepare`] is the publish step and its undoing.

mod access;
mod grpc;
mod prepare;
mod seats;

pub use grpc::Api;
use smartcourse_platform::{Result, config::Config, grpc::MAX_MESSAGE, postgres};
use smartcourse_proto::enrollment::enrollment_service_server::{EnrollmentServiceServer, SERVICE_NAME};
use sqlx::{PgPool, migrate::Migrator};

/// The protobuf name of this service.
pub const NAME: &str = SERVICE_NAME;

/// The migrations of this service's schema.
pub fn migrator() -> Migrator {
    postgres::in_schema("enrollment", sqlx::migrate!("./migrations"))
}

/// The gRPC server of this service.
///
/// # Errors
/// None today; the signature is that of all services.
pub async fn service(_config: &Config, pool: PgPool) -> Result<EnrollmentServiceServer<Api>> {
    Ok(EnrollmentServiceServer::new(Api::new(pool))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}
