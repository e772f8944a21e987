//! Kafka, or a server that speaks its protocol: the log of events for all who follow it, here and elsewhere.

use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[("KAFKA_BROKERS", "kafka.brokers")],
    ..Declared::of(
        r#"[kafka]
# Some of the brokers that carry the log of events, host:9092 and more after commas, without TLS; KAFKA_BROKERS wins. "": the table of
# the outbox is the log.
brokers = ""
# What the names of topics and groups begin with.
prefix = "smartcourse"
# Partitions of a topic when `smartcourse migrate` makes it. Order is kept for each key, so they stay as many as they are.
partitions = 6
# Copies of each partition; -1: as many as the brokers make of themselves.
replication = -1
# Milliseconds for which events are kept; -1: for ever.
retention_ms = -1
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[kafka]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Brokers, or empty.
    pub brokers: String,
    /// What the names of topics and groups begin with.
    pub prefix: String,
    /// Partitions of a topic that is made.
    pub partitions: i32,
    /// Copies of each, or -1.
    pub replication: i32,
    /// Milliseconds for which events are kept, or -1.
    pub retention_ms: i64,
}

impl Section for Settings {
    const NAME: &'static str = "kafka";

    fn check(&self, problems: &mut Problems) {
        let named = |broker: &str| {
            let port = broker
                .trim()
                .rsplit_once(':')
                .map(|(_, port)| port.parse::<u16>());
            matches!(port, Some(Ok(_)))
        };
        problems.require(
            self.brokers.is_empty() || self.brokers.split(',').all(named),
            "kafka.brokers: must be host:port, more of them after commas",
        );
        super::require_adapters(problems, "kafka.brokers", !self.brokers.is_empty());
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        problems.require(
            (1..=100).contains(&self.prefix.len()) && self.prefix.chars().all(legal),
            "kafka.prefix: must be 1 to 100 letters, digits, dots, hyphens or underscores",
        );
        problems.require(
            (1..=1000).contains(&self.partitions),
            "kafka.partitions: must be 1 to 1000",
        );
        problems.require(
            self.replication == -1 || (1..=100).contains(&self.replication),
            "kafka.replication: must be -1 or 1 to 100",
        );
        problems.require(
            self.retention_ms == -1 || self.retention_ms > 0,
            "kafka.retention_ms: must be -1 or more than 0",
        );
    }
}

#[cfg(feature = "real")]
mod cluster;
#[cfg(feature = "real")]
pub use cluster::Kafka;
#[cfg(feature = "real")]
pub(crate) use cluster::{PATIENCE, ask, let_go, unavailable};

/// The group that takes what others ask for.
#[cfg(feature = "real")]
pub(crate) const COMMANDS: &str = "commands";
