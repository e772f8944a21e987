//! The sections the platform itself reads.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_proto::stubs::ServiceName;
use smartcourse_telemetry::logs::Format;

use super::{Days, Problems, Section, require_address};
use crate::tls;

/// `[telemetry]`
#[derive(Debug, Clone, Deserialize)]
pub struct Telemetry {
    /// A tracing filter.
    pub log: String,
    /// Text or JSON.
    pub log_format: Format,
    /// Address of `/metrics`, `auto`, or empty.
    pub metrics_listen: String,
    /// Where traces are sent, or empty.
    pub otlp_endpoint: String,
    /// The share of requests whose traces are sent.
    pub trace_ratio: f64,
}

impl Telemetry {
    /// Where a role answers `/metrics`, if it does.
    pub fn metrics_address(&self, role: &str) -> Option<String> {
        let port = match role {
            "relay" => 9465,
            "worker" => 9466,
            "tasks" => 9467,
            _ => 9464,
        };
        match self.metrics_listen.as_str() {
            "" => None,
            "auto" => Some(format!("127.0.0.1:{port}")),
            address => Some(address.to_owned()),
        }
    }
}

impl Section for Telemetry {
    const NAME: &'static str = "telemetry";

    fn check(&self, problems: &mut Problems) {
        if !["", "auto"].contains(&self.metrics_listen.as_str()) {
            require_address(problems, "telemetry.metrics_listen", &self.metrics_listen);
        }
        problems.require(
            (0.0..=1.0).contains(&self.trace_ratio),
            "telemetry.trace_ratio: must be 0 to 1",
        );
        let endpoint = &self.otlp_endpoint;
        problems.require(
            endpoint.is_empty()
                || url::Url::parse(endpoint).is_ok_and(|url| ["http", "https"].contains(&url.scheme())),
            "telemetry.otlp_endpoint: must be an http:// or https:// address",
        );
    }
}

/// `[grpc]`
#[derive(Debug, Clone, Deserialize)]
pub struct Grpc {
    /// Secret of internal calls.
    pub service_token: SecretString,
    /// The certificate of this process, or nothing.
    tls_certificate: PathBuf,
    /// Its key.
    tls_key: PathBuf,
    /// Whose certificates are believed.
    tls_authority: PathBuf,
    /// Seconds before a call is given up.
    pub timeout_seconds: u64,
    /// The address of each service, by its name.
    #[serde(flatten)]
    addresses: BTreeMap<String, String>,
}

impl Grpc {
    /// Where a service listens and is found; for its callers, several separated by commas.
    pub fn address(&self, service: ServiceName) -> &str {
        self.addresses.get(service.as_str()).map_or("", String::as_str)
    }

    /// The certificates internal calls are made with, if they are encrypted.
    pub fn certificates(&self) -> Option<tls::Files> {
        let set = |path: &PathBuf| !path.as_os_str().is_empty();
        set(&self.tls_certificate).then(|| tls::Files {
            name: Self::NAME,
            certificate: self.tls_certificate.clone(),
            key: self.tls_key.clone(),
            authority: Some(self.tls_authority.clone()),
        })
    }

    /// The variable, after `SMARTCOURSE_`, that says where a service is.
    pub fn variable(service: ServiceName) -> String {
        format!("GRPC__{}", service.as_str().to_uppercase())
    }
}

impl Section for Grpc {
    const NAME: &'static str = "grpc";

    fn check(&self, problems: &mut Problems) {
        for service in ServiceName::ALL {
            let name = format!("grpc.{}", service.as_str());
            for address in self.address(service).split(',') {
                require_address(problems, &name, address.trim());
            }
        }
        let files = [&self.tls_certificate, &self.tls_key, &self.tls_authority];
        let set = files.iter().filter(|path| !path.as_os_str().is_empty());
        problems.require(
            [0, files.len()].contains(&set.count()),
            "grpc: tls_certificate, tls_key and tls_authority belong together",
        );
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

/// Connections of a pool whose user does one thing at a time, and one in which a transaction that was given up still ends.
const FEW: u32 = 2;

/// `[postgres]`
#[derive(Debug, Clone, Deserialize)]
pub struct Postgres {
    /// Connection URL; it may hold a password.
    pub url: SecretString,
    /// The same past a pooler, for sessions that must be one's own; empty where `url` is that already.
    pub direct_url: SecretString,
    /// Connections of a service's own pool.
    pub pool_size: u32,
    /// Seconds to wait for a free connection.
    pub acquire_timeout_seconds: u64,
    /// Seconds a transaction may stand still before the server ends it.
    pub idle_transaction_seconds: u32,
    /// Seconds one statement may take before the server ends it; 0: as long as it takes.
    pub statement_seconds: u32,
    /// Seconds a statement waits for a lock; 0: as long as it takes.
    pub lock_seconds: u32,
}

impl Section for Postgres {
    const NAME: &'static str = "postgres";

    fn check(&self, problems: &mut Problems) {
        let is_url = |url: &str| url.starts_with("postgres://") || url.starts_with("postgresql://");
        problems.require(
            is_url(self.url.expose_secret()),
            "postgres.url: must start with postgres://",
        );
        let direct = self.direct_url.expose_secret();
        problems.require(
            direct.is_empty() || is_url(direct),
            "postgres.direct_url: must start with postgres://",
        );
        problems.require(
            self.pool_size > 1,
            "postgres.pool_size: must be at least 2, since one connection may listen",
        );
    }
}

impl Postgres {
    /// The same for whoever does one thing at a time: a consumer group, a look whether the database is there.
    #[must_use]
    pub fn few(&self) -> Self {
        Self {
            pool_size: FEW,
            ..self.clone()
        }
    }

    /// The same for sessions that must be one's own, past a pooler: whoever listens, holds a session's lock or sets limits
    /// of its own.
    #[must_use]
    pub fn direct(&self) -> Self {
        let url = match self.direct_url.expose_secret() {
            "" => &self.url,
            _ => &self.direct_url,
        };
        Self {
            url: url.clone(),
            ..self.clone()
        }
    }

    /// The same for commands that an operator waits for: their statements take as long as they take, in sessions of their own.
    #[must_use]
    pub fn unhurried(&self) -> Self {
        Self {
            statement_seconds: 0,
            lock_seconds: 0,
            ..self.direct()
        }
    }
}

/// Longest pause before a failed task is run again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// `[tasks]`
#[derive(Debug, Clone, Deserialize)]
pub struct Tasks {
    /// Tasks of each kind that run at once in one process.
    pub concurrency: usize,
    /// Runs before a task is given up.
    pub max_tries: i32,
    /// First pause between runs in milliseconds.
    pub retry_initial_ms: u64,
    /// By how much each further pause is longer than the one before.
    pub retry_factor: f64,
    /// Seconds after which a dead process's task goes to another.
    pub lease_seconds: u64,
}

impl Tasks {
    /// How long a task stays with a process that says nothing.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// The pause after so many failed runs.
    pub fn pause(&self, tries: i32) -> Duration {
        let initial = Duration::from_millis(self.retry_initial_ms).as_secs_f64();
        let pause = initial * self.retry_factor.powi(tries.saturating_sub(1).max(0));
        Duration::from_secs_f64(pause.min(LONGEST_PAUSE.as_secs_f64()))
    }
}

impl Section for Tasks {
    const NAME: &'static str = "tasks";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            (1..=1000).contains(&self.concurrency),
            "tasks.concurrency: must be 1 to 1000",
        );
        problems.require(self.max_tries >= 1, "tasks.max_tries: must be at least 1");
        problems.require(
            (1.0..=1000.0).contains(&self.retry_factor),
            "tasks.retry_factor: must be 1 to 1000",
        );
        problems.require(self.lease_seconds >= 1, "tasks.lease_seconds: must be at least 1");
    }
}

/// `[upkeep]`
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Upkeep {
    /// Settled rows.
    pub keep_days: Days,
    /// Reports.
    pub keep_reports_days: Days,
    /// Notifications, and deliveries that are over.
    pub keep_notifications_days: Days,
    /// Events in the database; 0 is for ever.
    pub keep_events_days: Days,
}

impl Section for Upkeep {
    const NAME: &'static str = "upkeep";

    fn check(&self, problems: &mut Problems) {
        problems.days("upkeep.keep_days", self.keep_days);
        problems.days("upkeep.keep_reports_days", self.keep_reports_days);
        problems.days("upkeep.keep_notifications_days", self.keep_notifications_days);
        if !Duration::from(self.keep_events_days).is_zero() {
            problems.days("upkeep.keep_events_days", self.keep_events_days);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_pauses_grow_and_have_an_end() {
        let tasks = Config::load(&[], None, &[]).expect("defaults").tasks;
        let pauses: Vec<u64> = (1..=4).map(|tries| tasks.pause(tries).as_secs()).collect();
        assert_eq!(pauses, [5, 60, 300, 300]);
        assert_eq!(tasks.pause(i32::MAX), LONGEST_PAUSE);
    }
}
