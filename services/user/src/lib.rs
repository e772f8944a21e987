//! The user service: accounts, credentials, roles and tokens.
//!
//! Owns schema `user`. Serves `smartcourse.user.UserService`.

mod address;
pub mod codes;
pub mod config;
mod grpc;
mod keys;
mod ops;
mod password;
mod store;
mod throttle;
mod token;

use std::sync::Arc;

pub use grpc::Api;
pub use ops::role::grant_admin;
use smartcourse_platform::{Result, clock::Clock, config::Config, postgres};
use smartcourse_proto::user::user_service_server::UserServiceServer;
use sqlx::{PgPool, migrate::Migrator};

use keys::Keys;
use password::Passwords;
use throttle::Throttle;

/// The migrations of this service's schema; its name is a reserved word, so it travels quoted.
pub fn migrator() -> Migrator {
    postgres::in_schema("\"user\"", sqlx::migrate!("./migrations"))
}

/// What the service stands on.
pub struct Dependencies {
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) keys: Keys,
    /// Life of an access token in seconds.
    pub(crate) access_seconds: i64,
    /// Life of a refresh token in seconds.
    pub(crate) refresh_seconds: i64,
}

/// The gRPC server of this service.
///
/// # Errors
/// When the argon2 settings cannot be used.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<UserServiceServer<Api>> {
    let settings: config::User = config.section()?;
    let state = State {
        pool,
        clock: deps.clock,
        passwords: Passwords::new(&settings)?,
        throttle: Throttle::new(&settings),
        keys: Keys::default(),
        access_seconds: settings.access_token_seconds,
        refresh_seconds: settings.refresh_token_seconds,
    };
    Ok(UserServiceServer::limited(Api(Arc::new(state))))
}
