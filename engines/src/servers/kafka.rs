//! Kafka, or a server that speaks its protocol: the log of events for all who follow it, here and elsewhere.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[
        ("KAFKA_BROKERS", "kafka.brokers"),
        ("KAFKA_TLS", "kafka.tls"),
        ("KAFKA_TLS_AUTHORITY", "kafka.tls_authority"),
        ("KAFKA_TLS_CERTIFICATE", "kafka.tls_certificate"),
        ("KAFKA_TLS_KEY", "kafka.tls_key"),
        ("KAFKA_USERNAME", "kafka.username"),
        ("KAFKA_PASSWORD", "kafka.password"),
        ("KAFKA_SASL_MECHANISM", "kafka.sasl_mechanism"),
    ],
    ..Declared::of(
        r#"[kafka]
# Some of the brokers that carry the log of events, host:9092 and more after commas; KAFKA_BROKERS wins. "": the table of the outbox is
# the log.
brokers = ""
# Whether they speak TLS; KAFKA_TLS wins. It takes an executable that was built with the feature kafka-tls, as the images have.
tls = false
# Who signed their certificates, a PEM file; "": whom the machine trusts. KAFKA_TLS_AUTHORITY wins.
tls_authority = ""
# The certificate that is shown to them and its key, PEM files; "": none. KAFKA_TLS_CERTIFICATE and KAFKA_TLS_KEY win.
tls_certificate = ""
tls_key = ""
# Who we are to them, over TLS; "" when they ask for nobody. KAFKA_USERNAME and KAFKA_PASSWORD win.
username = ""
password = ""
# How we prove it: "PLAIN", "SCRAM-SHA-256" or "SCRAM-SHA-512"; KAFKA_SASL_MECHANISM wins.
sasl_mechanism = "SCRAM-SHA-512"
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
    /// Whether they speak TLS.
    pub tls: bool,
    /// Who signed their certificates, or empty for whom the machine trusts.
    pub tls_authority: PathBuf,
    /// The certificate that is shown, or empty.
    pub tls_certificate: PathBuf,
    /// Its key.
    pub tls_key: PathBuf,
    /// Who we are to them, or empty.
    pub username: String,
    /// And the proof.
    pub password: SecretString,
    /// How it is given, as SASL names it.
    pub sasl_mechanism: String,
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
        problems.require(
            cfg!(feature = "kafka-tls") || !self.tls,
            "kafka.tls: this executable was built without TLS for Kafka: build it with \
             `cargo build --release -p smartcourse-cli --features kafka-tls`",
        );
        let is_set = |path: &PathBuf| !path.as_os_str().is_empty();
        problems.require(
            is_set(&self.tls_certificate) == is_set(&self.tls_key),
            "kafka: tls_certificate and tls_key belong together",
        );
        problems.require(
            self.username.is_empty() == self.password.expose_secret().is_empty(),
            "kafka.username: needs kafka.password, and the other way round",
        );
        let needs_tls =
            is_set(&self.tls_authority) || is_set(&self.tls_certificate) || !self.username.is_empty();
        problems.require(
            self.tls || !needs_tls,
            "kafka.tls: must be true where an authority, a certificate or a username is named",
        );
        problems.require(
            ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"].contains(&self.sasl_mechanism.as_str()),
            "kafka.sasl_mechanism: must be PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512",
        );
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
mod context;
#[cfg(feature = "real")]
pub use cluster::Kafka;
#[cfg(feature = "real")]
pub(crate) use cluster::{PATIENCE, ask, let_go, unavailable};
#[cfg(feature = "real")]
pub(crate) use context::{Consumer, Context, Producer};

/// The group that takes what others ask for.
#[cfg(feature = "real")]
pub(crate) const COMMANDS: &str = "commands";
