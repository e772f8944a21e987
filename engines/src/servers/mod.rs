//! The servers that take over from what is built in, each when it is named: how they are found and reached. What they do for
//! us stands in the folders of the ports.

pub mod kafka;
pub mod mongodb;
pub mod opensearch;
pub mod qdrant;
pub mod rabbitmq;
pub mod redis;
pub mod s3;

use smartcourse_platform::{Result, config::Problems};

/// What a look at a server that was named found.
#[derive(Debug)]
pub struct Found {
    /// What people call it.
    pub server: &'static str,
    /// The variable that names it.
    pub variable: &'static str,
    /// Where it is, without what lets us in.
    pub address: String,
    /// Its version, or what is wrong.
    pub outcome: Result<String>,
}

/// A URL as people may see it.
#[cfg(feature = "real")]
fn shown(url: &str) -> String {
    let Ok(mut shown) = url::Url::parse(url) else {
        return "an address that cannot be read".to_owned();
    };
    // An address that cannot have a user has none.
    let cleared = shown.set_username("").and_then(|()| shown.set_password(None));
    shown.set_query(None);
    match cleared.is_ok() || shown.password().is_none() {
        true => shown.into(),
        false => "an address with a password".to_owned(),
    }
}

/// Notes that a server is named for which this executable has no adapter.
fn require_adapters(problems: &mut Problems, setting: &str, named: bool) {
    problems.require(
        cfg!(feature = "real") || !named,
        format!(
            "{setting}: this executable was built without the adapters of servers: build it with \
             `cargo build --release -p smartcourse-cli`"
        ),
    );
}
