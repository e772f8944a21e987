//! `endpoints.json`: where everything of a running system is, for scripts and tests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use smartcourse_launcher::{Postgres, Process, TemporalServer};
use smartcourse_platform::config::Config;

use super::settings::Settings;
use crate::private;

const FILE: &str = "endpoints.json";

/// Addresses and process ids of a running system.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Endpoints {
    /// Base address of the HTTP API.
    pub(crate) gateway: String,
    /// `host:port` of the Temporal frontend.
    pub(crate) temporal_address: String,
    /// Namespace.
    pub(crate) temporal_namespace: String,
    /// Base address of the Temporal UI, or empty.
    pub(crate) temporal_ui: String,
    /// Path of the `temporal` command, when it is ours.
    pub(crate) temporal_cli: Option<PathBuf>,
    /// URL of the database, with its password.
    pub(crate) postgres_url: String,
    /// Address of the Prometheus metrics of each role.
    pub(crate) metrics: BTreeMap<String, String>,
    /// Process ids by role, at the time of writing.
    pub(crate) pids: BTreeMap<String, u32>,
}

impl Endpoints {
    pub(super) fn new(
        config: &Config,
        roles: &[Process],
        postgres: Option<&Postgres>,
        temporal: Option<&TemporalServer>,
        settings: &Settings,
    ) -> Result<Self> {
        let pids = roles.iter().map(|role| (role.name().to_owned(), role.pid()));
        let mut pids: BTreeMap<String, u32> = pids.collect();
        pids.insert("smartcourse".to_owned(), std::process::id());
        pids.extend(postgres.map(|postgres| ("postgres".to_owned(), postgres.process.pid())));
        pids.extend(temporal.map(|temporal| ("temporal".to_owned(), temporal.process.pid())));
        Ok(Self {
            gateway: format!("http://{}", config.setting::<String>("gateway.listen")?),
            temporal_address: config.temporal.address.clone(),
            temporal_namespace: config.temporal.namespace.clone(),
            temporal_ui: config.temporal.ui_url.clone(),
            temporal_cli: settings.temporal_cli.clone(),
            postgres_url: config.postgres.url.expose_secret().to_owned(),
            metrics: settings
                .metrics
                .iter()
                .map(|(role, address)| ((*role).to_owned(), format!("http://{address}/metrics")))
                .collect(),
            pids,
        })
    }

    /// Writes the file; it holds the database's password.
    pub(super) fn write(&self, root: &Path) -> Result<()> {
        private::write(&root.join(FILE), &serde_json::to_vec_pretty(self)?)
    }

    /// A system that is down has no addresses.
    pub(super) fn remove(root: &Path) {
        if let Err(error) = std::fs::remove_file(root.join(FILE)) {
            tracing::debug!(%error, "there was no endpoints file");
        }
    }
}
