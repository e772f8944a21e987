//! The settings of processes, and of what passes between them.

use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

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
    /// Address of the user service.
    pub user: String,
    /// Address of the course service.
    pub course: String,
    /// Address of the content service.
    pub content: String,
    /// Address of the assistant service.
    pub assistant: String,
    /// Address of the enrollment service.
    pub enrollment: String,
    /// Address of the progress service.
    pub progress: String,
    /// Address of the notification service.
    pub notification: String,
    /// Address of the analytics service.
    pub analytics: String,
    /// Address of the operations service.
    pub operations: String,
    /// Seconds before a call is given up.
    pub timeout_seconds: u64,
}

impl Section for Grpc {
    const NAME: &'static str = "grpc";

    fn check(&self, problems: &mut Problems) {
        for (name, address) in [
            ("grpc.user", &self.user),
            ("grpc.course", &self.course),
            ("grpc.content", &self.content),
            ("grpc.assistant", &self.assistant),
            ("grpc.enrollment", &self.enrollment),
            ("grpc.progress", &self.progress),
            ("grpc.notification", &self.notification),
            ("grpc.analytics", &self.analytics),
            ("grpc.operations", &self.operations),
        ] {
            require_address(problems, name, address);
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

    fn check(&self, _: &mut Problems) {}
}
