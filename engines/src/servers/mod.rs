//! The servers that take over from what is built in, each when it is named: how they are found and reached. What they do for
//! us stands in the folders of the ports.

pub mod mongodb;
pub mod redis;
pub mod s3;

use smartcourse_platform::{Result, config::Config};
#[cfg(not(feature = "real"))]
use {secrecy::SecretString, smartcourse_platform::Error};

/// The settings that name a server.
#[cfg(not(feature = "real"))]
const NAMES: [&str; 3] = [mongodb::NAME, redis::NAME, s3::NAME];

/// Refuses a configuration that names a server this executable has no adapter for.
#[cfg(not(feature = "real"))]
pub(crate) fn known(config: &Config) -> Result<()> {
    use secrecy::ExposeSecret as _;
    for name in NAMES {
        if !config.setting::<SecretString>(name)?.expose_secret().is_empty() {
            let detail = format!(
                "{name} names a server, and this executable was built without the adapters of servers: build it with \
                 `cargo build --release -p smartcourse-cli --features real`"
            );
            return Err(Error::internal(detail));
        }
    }
    Ok(())
}

/// Every server has its adapters here.
#[cfg(feature = "real")]
pub(crate) fn known(_: &Config) -> Result<()> {
    Ok(())
}

/// What a look at a server that was named found.
#[derive(Debug)]
pub struct Found {
    /// What people call it.
    pub server: &'static str,
    /// The variable that names it.
    pub variable: &'static str,
    /// Its version, or what is wrong.
    pub outcome: Result<String>,
}
