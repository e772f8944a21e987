//! Real servers for a world: those of `smartcourse stack up`, where each world has a corner of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use smartcourse_launcher::{Progress, ServerKind, ensure_temporal};

use super::temporal;
use crate::{TestServer, database::tools};

/// The data directory of the servers.
const STACK: &str = "SMARTCOURSE_TEST_STACK";
/// The variables of those that are used, separated by commas; all of them without it.
const ONLY: &str = "SMARTCOURSE_TEST_SERVERS";
/// What names each server.
const NAMES: [&str; 7] = [
    "AMQP_URL",
    "KAFKA_BROKERS",
    "MONGODB_URL",
    "OPENSEARCH_URL",
    "REDIS_URL",
    "S3_BUCKET",
    "TEMPORAL_ADDRESS",
];
/// The setting of the database in MongoDB.
pub(super) const MONGO_DATABASE: &str = "SMARTCOURSE_MONGODB__DATABASE";
/// The setting of the alias in OpenSearch.
pub(super) const SEARCH_ALIAS: &str = "SMARTCOURSE_OPENSEARCH__ALIAS";

/// The servers of a world, or of a system that is measured.
pub struct Stack {
    /// The directory that has the one of files.
    root: PathBuf,
    variables: BTreeMap<String, String>,
}

impl Stack {
    /// Those of the environment, if it names some.
    ///
    /// # Errors
    /// When they do not run.
    pub fn named() -> Result<Option<Self>> {
        let Some(root) = std::env::var_os(STACK).map(PathBuf::from) else {
            return Ok(None);
        };
        let file = root.join("stack.env");
        let text = std::fs::read_to_string(&file).with_context(|| {
            format!(
                "{STACK}: reading {}; start them with `smartcourse stack up`",
                file.display()
            )
        })?;
        let only = std::env::var(ONLY).ok();
        let wanted = |name: &str| {
            only.as_ref().is_none_or(|only| {
                // What begins alike belongs to one server.
                only.split(',')
                    .any(|one| name.split('_').next() == one.split('_').next())
            })
        };
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        let variables = pairs
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Some(Self {
            root,
            variables: variables.collect(),
        }))
    }

    /// These, of a test's own.
    pub(super) fn of(servers: &[TestServer]) -> Self {
        let of_files = servers
            .iter()
            .find(|server| !server.variable("S3_BUCKET").is_empty());
        Self {
            root: of_files.map_or_else(PathBuf::new, |server| server.home().to_owned()),
            variables: servers.iter().flat_map(TestServer::variables).collect(),
        }
    }

    /// What the roles of a world of this name are told.
    pub(super) fn variables(&self, world: &str) -> BTreeMap<String, String> {
        let mut variables = self.variables.clone();
        if let Some(bucket) = variables.get_mut("S3_BUCKET") {
            *bucket = world.replace('_', "-");
        }
        // Those of all worlds there were are on one broker.
        variables.insert("SMARTCOURSE_KAFKA__PARTITIONS".to_owned(), "2".to_owned());
        for setting in [
            MONGO_DATABASE,
            SEARCH_ALIAS,
            "SMARTCOURSE_KAFKA__PREFIX",
            "SMARTCOURSE_RABBITMQ__EXCHANGE",
            "SMARTCOURSE_REDIS__PREFIX",
        ] {
            variables.insert(setting.to_owned(), world.to_owned());
        }
        variables
    }

    /// The variables that name them, one for each.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        NAMES
            .into_iter()
            .filter(|name| self.variables.contains_key(*name))
    }

    /// What a system of this name is told that has nothing but these and a database: its corner in each, with a namespace in
    /// Temporal.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub async fn corner(&self, system: &str) -> Result<BTreeMap<String, String>> {
        let mut variables = self.variables(system);
        if let Some(address) = variables.get("TEMPORAL_ADDRESS") {
            let temporal = ensure_temporal(&tools().await?, &Progress::plain()).await?;
            let create = ["operator", "namespace", "create"];
            temporal::command_line(&temporal, address, system, &create)?;
            variables.insert("TEMPORAL_NAMESPACE".to_owned(), system.to_owned());
        }
        Ok(variables)
    }

    /// The processes that each server of the data directory was started as.
    pub fn pids(&self) -> Vec<(&'static str, Vec<u32>)> {
        let noted = |file: PathBuf| {
            let text = std::fs::read_to_string(file).ok()?;
            text.split_whitespace().next()?.parse().ok()
        };
        let of = |kind: ServerKind| {
            let home = self.root.join(kind.name().to_lowercase());
            // One has a PostgreSQL beneath.
            let notes = [home.join("pid"), home.join("postgres/data/postmaster.pid")];
            (kind.name(), notes.into_iter().filter_map(noted).collect())
        };
        ServerKind::ALL.map(of).into()
    }

    /// Where the server of files has those of a world.
    pub(super) fn files(&self, variables: &BTreeMap<String, String>) -> Option<PathBuf> {
        let bucket = variables.get("S3_BUCKET")?;
        Some(Path::new(&self.root).join("minio/data").join(bucket))
    }
}
