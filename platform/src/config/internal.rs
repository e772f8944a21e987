//! The settings of processes, and of what passes between them.

use std::{collections::BTreeMap, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use smartcourse_proto::stubs::ServiceName;

use super::{Problems, Section, require_address};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
pub struct Telemetry {
    /// A tracing filter.
    pub log: String,
    /// Text or JSON.
    pub log_format: LogFormat,
    /// Address of `/metrics`, or empty.
    pub metrics_listen: String,
}

impl Section for Telemetry {
    const NAME: &'static str = "telemetry";

    fn check(&self, problems: &mut Problems) {
        if !self.metrics_listen.is_empty() {
            require_address(problems, "telemetry.metrics_listen", &self.metrics_listen);
        }
    }
}

/// `[grpc]`
#[derive(Debug, Clone, Deserialize)]
pub struct Grpc {
    /// Secret of internal calls.
    pub service_token: SecretString,
    /// Seconds before a call is given up.
    pub timeout_seconds: u64,
    /// The address of each service, by its name.
    #[serde(flatten)]
    addresses: BTreeMap<String, String>,
}

impl Grpc {
    /// Where a service listens and is found.
    pub fn address(&self, service: ServiceName) -> &str {
        self.addresses.get(service.as_str()).map_or("", String::as_str)
    }
}

impl Section for Grpc {
    const NAME: &'static str = "grpc";

    fn check(&self, problems: &mut Problems) {
        for service in ServiceName::ALL {
            require_address(
                problems,
                &format!("grpc.{}", service.as_str()),
                self.address(service),
            );
        }
    }
}

/// `[relay]`
#[derive(Debug, Clone, Deserialize)]
pub struct Relay {
    /// Seconds between polls.
    pub poll_seconds: u64,
    /// Seconds between reconciliations.
    pub reconcile_seconds: u64,
}

impl Relay {
    /// The longest pause of whoever waits for a notification.
    pub fn poll(&self) -> Duration {
        Duration::from_secs(self.poll_seconds.max(1))
    }
}

impl Section for Relay {
    const NAME: &'static str = "relay";
}
