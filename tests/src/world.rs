//! A world: database, Temporal server, roles.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use smartcourse_launcher::{
    DataDir, Progress, TemporalOptions, TemporalPorts, TemporalServer, ensure_temporal, free_port,
};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::{
    client::Session,
    database::{create_database, tools},
    roles::Role,
    wait_for, wait_longer,
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
    executable: PathBuf,
    dir: TempDir,
    temporal_bin: PathBuf,
    temporal_ports: TemporalPorts,
    temporal: Option<TemporalServer>,
    variables: BTreeMap<String, String>,
    roles: BTreeMap<&'static str, Role>,
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
        let mut world = Self::engines(executable, settings).await?;
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
        Ok(world)
    }

    /// Engines and settings, no role.
    async fn engines(executable: &Path, settings: &[(&str, &str)]) -> Result<Self> {
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
        for service in [
            "USER",
            "COURSE",
            "CONTENT",
            "ASSISTANT",
            "ENROLLMENT",
            "PROGRESS",
            "NOTIFICATION",
            "ANALYTICS",
            "OPERATIONS",
        ] {
            set(&format!("GRPC__{service}"), format!("127.0.0.1:{}", free_port()?));
        }
        set("GRPC__SERVICE_TOKEN", "a-token-for-tests-only".to_owned());
        set("TELEMETRY__METRICS_LISTEN", String::new());
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
        variables.insert("DATABASE_URL".to_owned(), url.clone());
        variables.insert(
            "TEMPORAL_ADDRESS".to_owned(),
            format!("127.0.0.1:{}", temporal_ports.frontend),
        );
        variables.insert("TEMPORAL_NAMESPACE".to_owned(), "default".to_owned());

        let mut world = Self {
            executable: executable.to_owned(),
            dir,
            temporal_bin,
            temporal_ports,
            temporal: None,
            variables,
            roles: BTreeMap::new(),
            pool: PgPool::connect_lazy(&url)?,
            base: format!("http://{gateway}"),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(180))
                .build()?,
        };
        world.start_temporal().await?;
        let migrated = world.command(&["migrate"], &[]).status()?;
        anyhow::ensure!(migrated.success(), "smartcourse migrate failed");
        Ok(world)
    }

    fn data_dir(&self) -> Result<DataDir> {
        Ok(DataDir::open(self.dir.path().join("data"))?)
    }

    /// Starts the Temporal server, on its old data and ports when there was one.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn start_temporal(&mut self) -> Result<()> {
        let options = TemporalOptions {
            ports: Some(self.temporal_ports),
            ..TemporalOptions::default()
        };
        self.temporal = Some(TemporalServer::start(&self.temporal_bin, &self.data_dir()?, options).await?);
        Ok(())
    }

    /// Stops the Temporal server.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop_temporal(&mut self) -> Result<()> {
        match self.temporal.take() {
            Some(temporal) => temporal.stop().await,
            None => Ok(()),
        }
    }

    /// Removes everything the stopped Temporal server knew.
    ///
    /// # Errors
    /// When the files cannot be removed.
    pub fn lose_temporal_data(&self) -> Result<()> {
        std::fs::remove_dir_all(self.data_dir()?.root().join("temporal")).context("no Temporal data to lose")
    }

    /// Starts the workflow of an enrollment as any other service would.
    ///
    /// # Errors
    /// When the command fails.
    pub fn start_enrollment(&self, course: i64, user: i64) -> Result<String> {
        self.temporal_cli(&[
            "workflow",
            "start",
            "--type",
            "Enrollment",
            "--task-queue",
            "smartcourse",
            "-w",
            &format!("enroll-{course}-{user}"),
            "-i",
            &format!("{{\"course_id\":{course},\"user_id\":{user}}}"),
        ])
    }

    /// Runs the `temporal` command against this world's server.
    ///
    /// # Errors
    /// When the command fails.
    pub fn temporal_cli(&self, args: &[&str]) -> Result<String> {
        let output = std::process::Command::new(&self.temporal_bin)
            .args(args)
            .args([
                "--address",
                &format!("127.0.0.1:{}", self.temporal_ports.frontend),
            ])
            .output()?;
        anyhow::ensure!(
            output.status.success(),
            "temporal {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// `host:port` of the Temporal frontend.
    pub fn temporal_address(&self) -> String {
        format!("127.0.0.1:{}", self.temporal_ports.frontend)
    }

    fn command(&self, args: &[&str], more: &[(&str, &str)]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.executable);
        command
            .args(args)
            .envs(&self.variables)
            .envs(more.iter().copied());
        command
    }

    /// Runs a command of the executable to its end; answers whether it succeeded and what it printed.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn run(&self, args: &[&str]) -> Result<(bool, String)> {
        let output = self.command(args, &[]).output()?;
        let told = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&told).into_owned(),
        ))
    }

    /// Starts a role.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub fn spawn(&mut self, name: &'static str, args: &[&str], more: &[(&str, &str)]) -> Result<()> {
        let log = self.dir.path().join(format!("{name}.log"));
        let role = Role::spawn(name, self.command(args, more), args, log)?;
        self.roles.insert(name, role);
        Ok(())
    }

    /// Kills a role with SIGKILL, if it still runs, and starts it again with further variables.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub async fn restart(&mut self, name: &'static str, more: &[(&str, &str)]) -> Result<()> {
        let mut role = self
            .roles
            .remove(name)
            .with_context(|| format!("no role {name}"))?;
        role.kill();
        let args = role.args();
        self.spawn(name, &args.iter().map(String::as_str).collect::<Vec<_>>(), more)?;
        Ok(())
    }

    /// Kills a role with SIGKILL.
    pub fn kill(&mut self, name: &str) {
        if let Some(role) = self.roles.get_mut(name) {
            role.kill();
        }
    }

    /// Stops a role with SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it cannot be told to.
    pub async fn stop(&mut self, name: &'static str) -> Result<()> {
        let mut role = self
            .roles
            .remove(name)
            .with_context(|| format!("no role {name}"))?;
        let (role, ended) = tokio::task::spawn_blocking(move || {
            let ended = role.stop();
            (role, ended)
        })
        .await?;
        self.roles.insert(name, role);
        ended
    }

    /// Whether a role still runs.
    pub fn is_running(&mut self, name: &str) -> bool {
        self.roles.get_mut(name).is_some_and(Role::is_running)
    }

    /// The process of a role.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn pid(&self, name: &str) -> Result<u32> {
        Ok(self
            .roles
            .get(name)
            .with_context(|| format!("no role {name}"))?
            .pid())
    }

    /// The end of a role's log.
    pub fn log(&self, name: &str) -> String {
        self.roles.get(name).map(Role::log).unwrap_or_default()
    }

    /// Waits until the gateway and everything behind it answers.
    ///
    /// # Errors
    /// When that takes too long; the message has the logs.
    pub async fn ready(&mut self) -> Result<()> {
        let url = format!("{}/readyz", self.base);
        let http = self.http.clone();
        let ready = wait_for("the services", async || match http.get(&url).send().await {
            Ok(response) if response.status().is_success() => Ok(Ok(())),
            Ok(response) => Ok(Err(response.text().await.unwrap_or_default())),
            Err(error) => Ok(Err(error.to_string())),
        })
        .await;
        ready.with_context(|| {
            let logs = self
                .roles
                .values()
                .map(|role| format!("--- {}\n{}", role.name(), role.log()));
            logs.collect::<Vec<_>>().join("\n")
        })
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
        self.dir.path().join("files")
    }
}
