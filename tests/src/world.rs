//! A world: database, Temporal server, roles.

mod roles;
mod stack;
mod temporal;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Result;
use roles::Role;
pub use roles::process_name;
use smartcourse_engines::servers::opensearch;
use smartcourse_launcher::{DataDir, Progress, TemporalPorts, TemporalServer, ensure_temporal, free_port};
use smartcourse_platform::{config::Grpc, grpc::ServiceName};
use sqlx::PgPool;
pub use stack::Stack;
use tempfile::TempDir;

use crate::{
    TestServer,
    client::Session,
    database::{create_database, tools},
    door::Door,
    wait_longer,
};

/// Which processes run the services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One process for all services.
    Together,
    /// The course and the content service in processes of their own, so that each can be killed alone.
    Apart,
}

/// How long a transaction that stands still may take to end.
const REST: Duration = Duration::from_secs(10);

/// Everything a test talks to. Dropping it kills the roles; the engines die with the test process.
pub struct World {
    pub(crate) executable: PathBuf,
    pub(crate) dir: TempDir,
    pub(crate) temporal_bin: PathBuf,
    pub(crate) temporal_ports: TemporalPorts,
    pub(crate) temporal: Option<TemporalServer>,
    /// Where the server itself is, whatever is before it.
    pub(crate) temporal_address: String,
    pub(crate) variables: BTreeMap<String, String>,
    /// Where a server keeps the files.
    files: Option<PathBuf>,
    pub(crate) roles: BTreeMap<&'static str, Role>,
    /// A pool for looking into every store.
    pub pool: PgPool,
    /// Base address of the gateway.
    pub base: String,
    /// Plain HTTP.
    pub http: reqwest::Client,
}

impl World {
    /// A world with every role running.
    ///
    /// # Errors
    /// When something does not start; the message names its log.
    pub async fn start(executable: &Path, layout: Layout) -> Result<Self> {
        Self::start_with(executable, layout, &[]).await
    }

    /// A world whose roles have further settings in their environment.
    ///
    /// # Errors
    /// When something does not start; the message names its log.
    pub async fn start_with(executable: &Path, layout: Layout, settings: &[(&str, &str)]) -> Result<Self> {
        let world = Self::engines(executable, settings, Stack::named()?, None).await?;
        world.with_roles(layout).await
    }

    /// A world on servers of its own.
    ///
    /// # Errors
    /// When something does not start; the message names its log.
    pub async fn start_on(
        servers: &[TestServer],
        executable: &Path,
        layout: Layout,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let world = Self::engines(executable, settings, Some(Stack::of(servers)), None).await?;
        world.with_roles(layout).await
    }

    /// A world whose roles reach Temporal through a door, as its guests.
    ///
    /// # Errors
    /// When something does not start; the message names its log.
    pub async fn start_behind(executable: &Path, door: &Door, settings: &[(&str, &str)]) -> Result<Self> {
        let world = Self::engines(executable, settings, Stack::named()?, Some(door)).await?;
        world.with_roles(Layout::Together).await
    }

    async fn with_roles(mut self, layout: Layout) -> Result<Self> {
        let world = &mut self;
        match layout {
            Layout::Together => world.spawn("serve", &["serve"], &[])?,
            Layout::Apart => {
                world.spawn(
                    "serve",
                    &[
                        "serve",
                        "--only",
                        "user,assistant,enrollment,progress,notification,analytics,operations,gateway",
                    ],
                    &[],
                )?;
                world.spawn("course", &["serve", "--only", "course"], &[])?;
                world.spawn("content", &["serve", "--only", "content"], &[])?;
            }
        }
        world.spawn("relay", &["relay"], &[])?;
        world.spawn("worker", &["worker"], &[])?;
        world.spawn("tasks", &["tasks"], &[])?;
        world.ready().await?;
        Ok(self)
    }

    /// Engines and settings, no role.
    async fn engines(
        executable: &Path,
        settings: &[(&str, &str)],
        stack: Option<Stack>,
        door: Option<&Door>,
    ) -> Result<Self> {
        let url = create_database().await?;
        let temporal_bin = ensure_temporal(&tools().await?, &Progress::plain()).await?;
        let dir = TempDir::with_prefix("smartcourse-test-")?;
        let temporal_ports = TemporalPorts {
            frontend: free_port()?,
            ui: free_port()?,
        };

        let mut variables = BTreeMap::new();
        let mut set = |key: &str, value: String| variables.insert(format!("SMARTCOURSE_{key}"), value);
        let gateway = format!("127.0.0.1:{}", free_port()?);
        set("GATEWAY__LISTEN", gateway.clone());
        for service in ServiceName::ALL {
            set(&Grpc::variable(service), format!("127.0.0.1:{}", free_port()?));
        }
        set("GRPC__SERVICE_TOKEN", "a-token-for-tests-only".to_owned());
        set(
            "CONTENT__FILES_DIR",
            dir.path().join("files").display().to_string(),
        );
        // No weights: hashed n-grams keep publishes fast; the demo's test uses the real model.
        set(
            "CONTENT__MODEL_DIR",
            dir.path().join("no-model").display().to_string(),
        );
        set("USER__ARGON2_MEMORY_KIB", "64".to_owned());
        set("TEMPORAL__STICKY_TIMEOUT_SECONDS", "1".to_owned());
        set("RELAY__RECONCILE_SECONDS", "2".to_owned());
        set("MAIL__FOLDER", dir.path().join("mail").display().to_string());
        // A task is given up within a second; the defaults outlast an outage.
        set("TASKS__RETRY_INITIAL_MS", "100".to_owned());
        set("TASKS__RETRY_FACTOR", "2".to_owned());
        set("PUBLISH__RETRY_INITIAL_MS", "100".to_owned());
        set("PUBLISH__RETRY_MAX_SECONDS", "1".to_owned());
        for (key, value) in settings {
            set(key, (*value).to_owned());
        }
        // Nor are recordings to be sent where that person's go.
        let named = variables.get("SMARTCOURSE_TRANSCRIPTION__URL").cloned();
        variables.insert("TRANSCRIPTION_BASE_URL".to_owned(), named.unwrap_or_default());
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(stack) = &stack {
            variables.extend(stack.variables(&name));
        }
        variables.insert("DATABASE_URL".to_owned(), url.clone());
        let shared = variables.get("TEMPORAL_ADDRESS").cloned();
        let own = format!("127.0.0.1:{}", temporal_ports.frontend);
        let namespace = shared.as_ref().map_or("default", |_| &name).to_owned();
        let temporal_address = shared.clone().unwrap_or(own);
        variables.insert("TEMPORAL_ADDRESS".to_owned(), temporal_address.clone());
        variables.insert("TEMPORAL_NAMESPACE".to_owned(), namespace);
        if let Some(door) = door {
            door.leads_to(&temporal_address);
            variables.extend(door.guest());
        }

        let mut world = Self {
            executable: executable.to_owned(),
            dir,
            temporal_bin,
            temporal_ports,
            temporal: None,
            temporal_address,
            files: stack.as_ref().and_then(|stack| stack.files(&variables)),
            variables,
            roles: BTreeMap::new(),
            pool: PgPool::connect_lazy(&url)?,
            base: format!("http://{gateway}"),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(180))
                .build()?,
        };
        match shared {
            Some(_) => world.join_temporal()?,
            None => world.start_temporal().await?,
        }
        let migrated = world.command(&["migrate"], &[]).status()?;
        anyhow::ensure!(migrated.success(), "smartcourse migrate failed");
        Ok(world)
    }

    /// The directory of engines, logs and locks.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn data_dir(&self) -> Result<DataDir> {
        Ok(DataDir::open(self.dir.path().join("data"))?)
    }

    /// Waits until no transaction of the roles stands still: nothing they began holds a lock.
    ///
    /// # Errors
    /// When one does for longer than a moment; the message has its last statements.
    pub async fn at_rest(&self) -> Result<()> {
        wait_longer(REST, "the transactions to end", async || {
            let open: Vec<String> = sqlx::query_scalar(
                "select application_name || ': ' || query from pg_stat_activity
                 where datname = current_database() and state like 'idle in transaction%'
                   and state_change < now() - interval '1 second'",
            )
            .fetch_all(&self.pool)
            .await?;
            Ok(if open.is_empty() {
                Ok(())
            } else {
                Err(open.join("; "))
            })
        })
        .await
    }

    /// Registers a user and signs in.
    ///
    /// # Errors
    /// When either is refused.
    pub async fn sign_up(&self, role: &str) -> Result<Session> {
        Session::sign_up(self.http.clone(), &self.base, role).await
    }

    /// Registers a user, makes it an administrator, and signs in.
    ///
    /// # Errors
    /// When a step is refused.
    pub async fn admin(&self) -> Result<Session> {
        let mut session = self.sign_up("student").await?;
        let granted = self.command(&["admin", "grant", &session.email], &[]).output()?;
        anyhow::ensure!(
            granted.status.success(),
            "{}",
            String::from_utf8_lossy(&granted.stderr)
        );
        session.sign_in().await?;
        Ok(session)
    }

    /// Nobody in particular.
    pub fn anonymous(&self) -> Session {
        Session::anonymous(self.http.clone(), &self.base)
    }

    /// The settings of the roles, as variables.
    pub fn settings(&self) -> Vec<(String, String)> {
        let pairs = self.variables.iter();
        pairs.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// The directory of the mails.
    pub fn mails(&self) -> PathBuf {
        self.dir.path().join("mail")
    }

    /// The directory of the files.
    pub fn files(&self) -> PathBuf {
        self.files
            .clone()
            .unwrap_or_else(|| self.dir.path().join("files"))
    }

    /// Whether a server is named by this variable.
    pub fn names(&self, variable: &str) -> bool {
        self.variables.contains_key(variable)
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The MongoDB server that has the documents, and the database there.
    pub(crate) fn mongo(&self) -> Option<(&str, &str)> {
        self.variable("MONGODB_URL")
            .zip(self.variable(stack::MONGO_DATABASE))
    }

    /// The OpenSearch server that searches.
    pub(crate) fn opensearch(&self) -> Option<opensearch::Settings> {
        let (url, alias) = self
            .variable("OPENSEARCH_URL")
            .zip(self.variable(stack::SEARCH_ALIAS))?;
        Some(opensearch::Settings {
            url: url.to_owned(),
            alias: alias.to_owned(),
            username: String::new(),
            password: "".into(),
        })
    }
}
