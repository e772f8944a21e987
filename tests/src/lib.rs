//! The test harness: a world of real servers and real processes, and clients that speak HTTP to it.
//!
//! One PostgreSQL serves all worlds of a test run, each with a database of its own; each world has its own Temporal
//! server, its own roles as processes of the executable under test, and its own files. Nothing is faked.

use std::sync::Arc;

use smartcourse_platform::{config::Config, ports::workflows::Workflows};

mod authority;
mod by_hand;
mod client;
mod collector;
mod cutter;
mod database;
mod door;
mod hold;
mod learning;
mod link;
mod log;
mod mail_server;
pub mod measure;
mod model;
mod neighbours;
mod prometheus;
mod provider;
mod qdrant;
mod secure_kafka;
mod seed;
mod servers;
mod stores;
mod world;

pub use authority::Authority;
pub use by_hand::ByHand;
pub use client::{Reply, Session, text_lessons};
pub use collector::Collector;
pub use cutter::Cutter;
pub use database::{database, install, migrated, remove_left_behind};
pub use door::Door;
pub use hold::Hold;
pub use learning::{Learning, welcome_mails};
pub use link::{Fault, Link};
pub use log::{events, history, tell};
pub use mail_server::MailServer;
pub use model::{Model, Says};
pub use neighbours::{Neighbours, StoppedClock, local, refusal};
pub use prometheus::{Prometheus, prometheus_binaries};
pub use provider::{Call, Provider, Said};
pub use qdrant::TestQdrant;
pub use secure_kafka::SecureKafka;
pub use servers::TestServer;
/// The adapters, for the rules of services whose tests work on them.
pub use smartcourse_engines as engines;
pub use smartcourse_launcher::ServerKind;
pub use stores::Traces;
pub use world::{Layout, Stack, World, process_name};

/// Workflows of a Temporal nobody listens for: who asks it hears that it is away.
///
/// # Errors
/// When no port can be had.
pub fn no_temporal() -> anyhow::Result<Arc<dyn Workflows>> {
    // It was ours a moment ago, and nobody else listens on it.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let variables = [("TEMPORAL_ADDRESS".to_owned(), closed.to_string())];
    let config = Config::load(engines::CONFIG, None, &variables)?;
    Ok(engines::Engines::open(&config)?.workflows())
}

/// How long a condition may take to come true on a busy machine with two cores.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(90);

/// Waits until the closure answers `Ok(Some(_))`; the time-out names what was last seen.
///
/// # Errors
/// When the closure fails or the deadline passes.
pub async fn wait_for<T, F>(what: &str, condition: F) -> anyhow::Result<T>
where
    F: AsyncFnMut() -> anyhow::Result<Result<T, String>>,
{
    wait_longer(PATIENCE, what, condition).await
}

/// [`wait_for`] with a deadline of its own.
///
/// # Errors
/// When the closure fails or the deadline passes.
pub async fn wait_longer<T, F>(
    patience: std::time::Duration,
    what: &str,
    mut condition: F,
) -> anyhow::Result<T>
where
    F: AsyncFnMut() -> anyhow::Result<Result<T, String>>,
{
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        match condition().await? {
            Ok(value) => return Ok(value),
            Err(last) if tokio::time::Instant::now() > deadline => {
                anyhow::bail!("waited {patience:?} for {what}; last: {last}")
            }
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}
