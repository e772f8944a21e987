//! The settings of the servers everything stands on.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::{Problems, Section, require_address};

/// `[postgres]`
#[derive(Debug, Clone, Deserialize)]
pub struct Postgres {
    /// Connection URL; it may hold a password.
    pub url: SecretString,
    /// Connections of each pool.
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
        let url = self.url.expose_secret();
        problems.require(
            url.starts_with("postgres://") || url.starts_with("postgresql://"),
            "postgres.url: must start with postgres://",
        );
        problems.require(
            self.pool_size > 1,
            "postgres.pool_size: must be at least 2, since one connection may listen",
        );
    }
}

impl Postgres {
    /// The same for commands that an operator waits for: their statements take as long as they take.
    #[must_use]
    pub fn unhurried(&self) -> Self {
        Self {
            statement_seconds: 0,
            lock_seconds: 0,
            ..self.clone()
        }
    }
}

/// `[temporal]`
#[derive(Debug, Clone, Deserialize)]
pub struct Temporal {
    /// `host:port` of the frontend.
    pub address: String,
    /// Namespace.
    pub namespace: String,
    /// Base address of the web UI, or empty.
    pub ui_url: String,
    /// Seconds before a lost worker's workflows move to another.
    pub sticky_timeout_seconds: u64,
    /// Activities one worker runs at once.
    pub max_activities: usize,
}

impl Section for Temporal {
    const NAME: &'static str = "temporal";

    fn check(&self, problems: &mut Problems) {
        require_address(problems, "temporal.address", &self.address);
    }
}

impl Temporal {
    /// Link to a workflow in the web UI; empty when no UI is configured.
    pub fn workflow_link(&self, workflow_id: &str, run_id: Option<&str>) -> String {
        if self.ui_url.is_empty() {
            return String::new();
        }
        let base = format!(
            "{}/namespaces/{}/workflows/{workflow_id}",
            self.ui_url.trim_end_matches('/'),
            self.namespace
        );
        match run_id {
            Some(run) if !run.is_empty() => format!("{base}/{run}/history"),
            _ => base,
        }
    }
}
