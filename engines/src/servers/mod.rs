//! The servers that take over from what is built in, each when it is named: how they are found and reached. What they do for
//! us stands in the folders of the ports.

pub mod mongodb;
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
    /// Its version, or what is wrong.
    pub outcome: Result<String>,
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
