//! Configuration: the documented defaults in `default.toml`, an optional file, the environment; checked as a whole.

mod delivery;
mod gateway;
mod servers;
mod upkeep;
mod user;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Format, Toml},
    value::Value,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

pub use delivery::{Mail, Sms, Tasks, WebPush};
pub use gateway::{Gateway, VALUE_BYTES};
pub use servers::{Postgres, Temporal};
pub use upkeep::Upkeep;
pub use user::{Tries, User};

/// The documented defaults, also printed by `smartcourse config print --defaults`.
pub const DEFAULTS: &str = include_str!("default.toml");

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
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// A tracing filter.
    pub log: String,
    /// Text or JSON.
    pub log_format: LogFormat,
    /// Address of `/metrics`, or empty.
    pub metrics_listen: String,
}

/// `[grpc]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// `[content]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// Directory of the files.
    pub files_dir: PathBuf,
    /// Directory of the model's weights.
    pub model_dir: PathBuf,
    /// Largest upload in bytes.
    pub max_upload_bytes: i64,
    /// Words of a chunk at most.
    pub chunk_words: usize,
    /// Hours a superseded version stays.
    pub retain_hours: i32,
    /// Superseded versions that always stay.
    pub retain_versions: i32,
}

/// `[relay]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
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

/// `[enrollment]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrollment {
    /// First pause between tries in milliseconds.
    pub retry_initial_ms: u64,
    /// Longest pause between tries in seconds.
    pub retry_max_seconds: u64,
    /// Longest wait for analytics in milliseconds.
    pub analytics_wait_ms: i32,
}

/// `[publish]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// Seconds before a publish compensates by itself.
    pub deadline_seconds: u64,
    /// Lessons processed at the same time.
    pub lanes: usize,
    /// First pause between tries in milliseconds.
    pub retry_initial_ms: u64,
    /// Longest pause between tries in seconds.
    pub retry_max_seconds: u64,
    /// Tries in all; 0 means until the deadline.
    pub retry_attempts: u32,
}

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// The database.
    pub postgres: Postgres,
    /// The workflow server.
    pub temporal: Temporal,
    /// Internal calls.
    pub grpc: Grpc,
    /// The public face.
    pub gateway: Gateway,
    /// Accounts.
    pub user: User,
    /// Files and their text.
    pub content: Content,
    /// The outbox relay.
    pub relay: Relay,
    /// The enrollment workflow.
    pub enrollment: Enrollment,
    /// The publishing workflow.
    pub publish: Publish,
    /// Background tasks.
    pub tasks: Tasks,
    /// How long what is settled is kept.
    pub upkeep: Upkeep,
    /// Mail.
    pub mail: Mail,
    /// Text messages.
    pub sms: Sms,
    /// Push messages.
    pub web_push: WebPush,
}

/// Whether a text is a host or address with a port.
fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// The setting an environment variable names, such as `gateway.listen` for `SMARTCOURSE_GATEWAY__LISTEN`.
fn setting(variable: &str) -> Option<String> {
    match variable {
        "DATABASE_URL" => Some("postgres.url".to_owned()),
        "TEMPORAL_ADDRESS" => Some("temporal.address".to_owned()),
        "TEMPORAL_NAMESPACE" => Some("temporal.namespace".to_owned()),
        _ => {
            let (section, key) = variable.strip_prefix("SMARTCOURSE_")?.split_once("__")?;
            Some(format!("{}.{}", section.to_lowercase(), key.to_lowercase()))
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration is wrong:\n{}", .0.iter().map(|p| format!("  - {p}")).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl Config {
    /// Reads defaults, the optional file and the environment, then checks the result.
    ///
    /// # Errors
    /// Names every problem at once: unreadable or unknown settings, wrong types, values out of range.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_with(file, &[])
    }

    /// [`load`](Self::load) with variables that win over the environment's.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_with(file: Option<&Path>, variables: &[(String, String)]) -> Result<Self, ConfigError> {
        let mut environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        environment.extend_from_slice(variables);
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(path) = file {
            if !path.is_file() {
                return Err(ConfigError(vec![format!("{} is not a file", path.display())]));
            }
            figment = figment.merge(Toml::file_exact(path));
        }
        for (name, value) in &environment {
            if let Some(key) = setting(name) {
                // Numbers and booleans are read as such, everything else as text.
                let value: Value = value
                    .parse()
                    .unwrap_or_else(|never: std::convert::Infallible| match never {});
                figment = figment.merge((key, value));
            }
        }
        let config: Self = figment
            .extract()
            .map_err(|error| ConfigError(error.into_iter().map(|problem| problem.to_string()).collect()))?;
        let problems = config.problems();
        if problems.is_empty() {
            Ok(config)
        } else {
            Err(ConfigError(problems))
        }
    }

    /// The problems of the values themselves.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut require = |holds: bool, text: String| {
            if !holds {
                problems.push(text);
            }
        };
        for (name, address) in self.addresses() {
            require(
                is_host_and_port(address),
                format!("{name}: `{address}` is not host:port, such as 127.0.0.1:7101"),
            );
        }
        let url = self.postgres.url.expose_secret();
        require(
            url.starts_with("postgres://") || url.starts_with("postgresql://"),
            "postgres.url: must start with postgres://".to_owned(),
        );
        require(
            self.postgres.pool_size > 1,
            "postgres.pool_size: must be at least 2, since one connection may listen".to_owned(),
        );
        let idle = self.postgres.idle_transaction_seconds;
        require(
            idle <= 86_400 && u64::from(idle) > 3 * self.grpc.timeout_seconds,
            "postgres.idle_transaction_seconds: must be more than 3 times grpc.timeout_seconds, 86400 at most"
                .to_owned(),
        );
        require(
            is_host_and_port(&self.temporal.address),
            format!("temporal.address: `{}` is not host:port", self.temporal.address),
        );
        self.user.check(&mut require);
        require(
            (20..=200).contains(&self.content.chunk_words),
            "content.chunk_words: must be 20 to 200".to_owned(),
        );
        require(
            self.content.max_upload_bytes > 0,
            "content.max_upload_bytes: must be positive".to_owned(),
        );
        require(
            (1..=32).contains(&self.publish.lanes),
            "publish.lanes: must be 1 to 32".to_owned(),
        );
        require(
            (0..=20_000).contains(&self.enrollment.analytics_wait_ms),
            "enrollment.analytics_wait_ms: must be 0 to 20000".to_owned(),
        );
        require(
            self.publish.deadline_seconds >= 10,
            "publish.deadline_seconds: must be at least 10".to_owned(),
        );
        self.gateway.check(&mut require);
        self.tasks.check(&mut require);
        self.upkeep.check(&mut require);
        self.mail.check(&mut require);
        self.sms.check(&mut require);
        self.web_push.check(&mut require);
        problems
    }

    fn addresses(&self) -> Vec<(&'static str, &str)> {
        let grpc = &self.grpc;
        let mut all = vec![
            ("gateway.listen", self.gateway.listen.as_str()),
            ("grpc.user", &grpc.user),
            ("grpc.course", &grpc.course),
            ("grpc.content", &grpc.content),
            ("grpc.assistant", &grpc.assistant),
            ("grpc.enrollment", &grpc.enrollment),
            ("grpc.progress", &grpc.progress),
            ("grpc.notification", &grpc.notification),
            ("grpc.analytics", &grpc.analytics),
            ("grpc.operations", &grpc.operations),
        ];
        if !self.telemetry.metrics_listen.is_empty() {
            all.push(("telemetry.metrics_listen", &self.telemetry.metrics_listen));
        }
        all
    }

    /// Base address of links in messages, without a slash at its end.
    pub fn public_url(&self) -> String {
        match self.mail.public_url.trim_end_matches('/') {
            "" => format!("http://{}", self.gateway.listen),
            url => url.to_owned(),
        }
    }

    /// The deadline of internal calls.
    pub fn grpc_timeout(&self) -> Duration {
        Duration::from_secs(self.grpc.timeout_seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_defaults_are_valid() {
        let config: Config = Figment::from(Toml::string(DEFAULTS))
            .extract()
            .expect("defaults parse");
        assert_eq!(config.problems(), Vec::<String>::new());
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let mut config: Config = Figment::from(Toml::string(DEFAULTS))
            .extract()
            .expect("defaults parse");
        config.gateway.listen = "nowhere".to_owned();
        config.publish.lanes = 0;
        config.postgres.url = "mysql://x".into();
        assert_eq!(config.problems().len(), 3);
    }
}
