//! The user service: accounts, credentials, roles and tokens.
//!
//! | room | holds |
//! |---|---|
//! | [`grpc`] | the RPCs: decode, call, encode |
//! | [`register`], [`sign_in`], [`refresh`], [`role`], [`store`] | one operation each, and the rows |
//! | [`password`] | argon2id, bounded |
//! | [`throttle`] | how many wrong passwords there may be |
//! | [`keys`], [`token`], [`sessions`] | the signing key, the access token, and what ends one early |

mod grpc;
mod keys;
mod password;
mod refresh;
mod register;
mod role;
mod sessions;
mod sign_in;
mod store;
mod throttle;
mod token;

pub use grpc::Api;
pub use role::grant_admin;
use smartcourse_platform::{Result, config::Config, grpc::MAX_MESSAGE, postgres};
use smartcourse_proto::user::user_service_server::{SERVICE_NAME, UserServiceServer};
use sqlx::{PgPool, migrate::Migrator};

/// The protobuf name of this service.
pub const NAME: &str = SERVICE_NAME;

/// The migrations of this service's schema; its name is a reserved word, so it travels quoted.
pub fn migrator() -> Migrator {
    postgres::in_schema("\"user\"", sqlx::migrate!("./migrations"))
}

/// The gRPC server of this service.
///
/// # Errors
/// When the argon2 settings cannot be used.
pub async fn service(config: &Config, pool: PgPool) -> Result<UserServiceServer<Api>> {
    let api = Api::new(config, pool).await?;
    Ok(UserServiceServer::new(api)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE))
}
