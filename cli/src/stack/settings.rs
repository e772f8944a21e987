//! The settings of a system on one machine: what is found or chosen here reaches every role through its environment.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Result;
use smartcourse_launcher::{DataDir, Postgres, TemporalServer, free_port, multilingual_model, port_is_free};
use smartcourse_platform::{
    config::{Config, Grpc},
    grpc::ServiceName,
};

use crate::private;

/// The roles. All are asked to stop at once: each finishes what it has begun.
pub(super) const ROLES: [&str; 4] = ["serve", "relay", "worker", "tasks"];
/// Port of the public face when it is free and none was asked for.
const PORT: u16 = 8080;

/// Environment of the roles.
pub(super) struct Settings {
    pub(super) variables: BTreeMap<String, String>,
    pub(super) config_file: Option<PathBuf>,
    pub(super) temporal_cli: Option<PathBuf>,
    /// Where each role answers for its metrics.
    pub(super) metrics: BTreeMap<&'static str, String>,
}

impl Settings {
    /// Chooses ports and collects addresses.
    pub(super) fn choose(
        port: Option<u16>,
        data_dir: &DataDir,
        config_file: Option<PathBuf>,
        postgres: Option<&Postgres>,
        temporal: Option<&TemporalServer>,
        temporal_cli: Option<PathBuf>,
        directories: [(&str, Option<PathBuf>); 2],
    ) -> Result<Self> {
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: String| {
            variables.insert(format!("SMARTCOURSE_{name}"), value);
        };
        let port = match port {
            Some(port) if port != 0 && !port_is_free(port) => {
                anyhow::bail!("port {port} is taken; name another with --port")
            }
            Some(0) => free_port()?,
            Some(port) => port,
            None if port_is_free(PORT) => PORT,
            None => free_port()?,
        };
        set("GATEWAY__LISTEN", format!("127.0.0.1:{port}"));
        for service in ServiceName::ALL {
            set(&Grpc::variable(service), format!("127.0.0.1:{}", free_port()?));
        }
        set("GRPC__SERVICE_TOKEN", service_token(data_dir.root())?);
        let root = data_dir.root();
        let own = [
            ("CONTENT__FILES_DIR", root.join("files")),
            ("CONTENT__MULTILINGUAL_MODEL_DIR", multilingual_model(data_dir)),
            ("MAIL__FOLDER", root.join("mail")),
        ];
        let found = directories
            .into_iter()
            .filter_map(|(name, directory)| Some((name, directory?)));
        for (name, directory) in own.into_iter().chain(found) {
            set(name, directory.display().to_string());
        }
        if let Some(temporal) = temporal {
            set("TEMPORAL__UI_URL", temporal.ui_url.clone());
        }
        if let Some(postgres) = postgres {
            variables.insert("DATABASE_URL".to_owned(), postgres.url.clone());
        }
        if let Some(temporal) = temporal {
            variables.insert("TEMPORAL_ADDRESS".to_owned(), temporal.address.clone());
            variables.insert("TEMPORAL_NAMESPACE".to_owned(), temporal.namespace.clone());
        }
        Ok(Self {
            variables,
            config_file,
            temporal_cli,
            metrics: ROLES
                .into_iter()
                .map(|role| Ok((role, format!("127.0.0.1:{}", free_port()?))))
                .collect::<Result<_>>()?,
        })
    }

    /// The configuration a role with this environment has.
    pub(super) fn config(&self) -> Result<Config> {
        let overrides: Vec<(String, String)> = self.variables.clone().into_iter().collect();
        Ok(crate::config::load(self.config_file.as_deref(), &overrides)?)
    }
}

/// The secret of internal calls: made once per data directory, readable by its owner only.
pub(crate) fn service_token(root: &Path) -> Result<String> {
    let path = root.join("service-token");
    if let Ok(token) = std::fs::read_to_string(&path) {
        return Ok(token.trim().to_owned());
    }
    let random = || uuid::Uuid::new_v4().simple();
    let token = format!("{}{}", random(), random());
    private::write(&path, token.as_bytes())?;
    Ok(token)
}
