//! Everything on one machine: engines, services, worker, relay and tasks under one supervisor.

mod endpoints;
mod roles;
mod settings;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use smartcourse_engines::Engines;
use smartcourse_launcher::{
    Check, Claim, DataDir, Postgres, Process, Progress, TemporalOptions, TemporalServer, ensure_fonts,
    ensure_model, ensure_postgres, ensure_temporal, wait_until,
};
use smartcourse_platform::{
    config::{self, Config},
    lifecycle::Lifecycle,
};

pub(crate) use endpoints::Endpoints;
pub(crate) use roles::{SUPERVISED, end_earlier, start_one, stop_with_parent};
pub(crate) use settings::service_token;

use settings::Settings;

/// Names a Temporal server that is to be used in place of ours.
const TEMPORAL: &str = "TEMPORAL_ADDRESS";
/// How long the services may take to be ready once the engines run.
const READY: Duration = Duration::from_secs(60);

/// Arguments of `up`, shared by `demo`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "StackArgs")]
pub(crate) struct Args {
    /// Where everything is kept.
    #[arg(long, env = "SMARTCOURSE_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Port of the public face; by default 8080, or a free one when that is taken.
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Use the servers of `smartcourse stack up` in place of what is built in.
    #[arg(long)]
    pub(crate) stack: bool,
}

impl Args {
    /// The data directory, made if it is not there.
    pub(crate) fn data_dir(&self) -> Result<DataDir> {
        crate::servers::open(self.data_dir.as_deref())
    }
}

/// A running system; dropping it kills what it started, [`Stack::stop`] lets it finish.
pub(crate) struct Stack {
    roles: Vec<Process>,
    engines: Vec<Process>,
    pub(crate) endpoints: Endpoints,
    pub(crate) data_dir: DataDir,
    _lock: Claim,
}

/// Runs everything until Ctrl-C or SIGTERM.
pub(crate) async fn up(args: Args, config_file: Option<PathBuf>) -> Result<()> {
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    let Some(stack) = Stack::start_unless_stopped(&args, config_file, &life).await? else {
        return Ok(());
    };
    crate::print(&format!("ready {}\n", stack.endpoints.gateway))?;
    let ended = tokio::select! {
        () = life.stopping() => Ok(()),
        error = stack.engine_failure() => Err(error),
    };
    stack.stop().await?;
    ended
}

impl Stack {
    /// Starts everything; `None` when a stop was asked for meanwhile.
    pub(crate) async fn start_unless_stopped(
        args: &Args,
        config_file: Option<PathBuf>,
        life: &Lifecycle,
    ) -> Result<Option<Self>> {
        tokio::select! {
            stack = Self::start(args, config_file) => stack.map(Some),
            () = life.stopping() => Ok(None),
        }
    }

    /// Installs what is missing, starts the engines, migrates, starts the roles and waits until all are ready.
    async fn start(args: &Args, config_file: Option<PathBuf>) -> Result<Self> {
        let data_dir = args.data_dir()?;
        let lock = data_dir.lock()?;
        let progress = Progress::auto();
        // Side by side, so that each engine starts while others are still being fetched.
        let servers = match args.stack {
            true => crate::servers::variables(&data_dir)?,
            false => Vec::new(),
        };
        let has_temporal = config::is_given(TEMPORAL) || servers.iter().any(|(name, _)| name == TEMPORAL);
        let (postgres, temporal, model, fonts) = tokio::try_join!(
            start_postgres(&data_dir, &progress),
            async {
                match has_temporal {
                    true => Ok(None),
                    false => start_temporal(&data_dir, &progress).await.map(Some),
                }
            },
            async { Ok(ensure_model(&data_dir, &progress).await) },
            async { Ok(ensure_fonts(&data_dir, &progress).await) },
        )?;
        let (temporal_binary, temporal) = temporal.unzip();

        let mut settings = Settings::choose(
            args.port,
            &data_dir,
            config_file,
            postgres.as_ref(),
            temporal.as_ref(),
            temporal_binary,
            [("CONTENT__MODEL_DIR", model), ("PROGRESS__FONTS_DIR", fonts)],
        )?;
        settings.variables.extend(servers);
        let config = settings.config()?;
        let step = progress.step("bringing the database up to date");
        match &temporal {
            // It was started with the search attributes.
            Some(_) => crate::migrate::stores(&config).await?,
            None => crate::migrate::run(&config).await?,
        }
        step.done();

        let step = progress.step("starting services, worker, relay and tasks");
        let roles = roles::start(&settings, &data_dir).await?;
        ready(&config, &roles).await?;
        step.done();
        let endpoints = Endpoints::new(&config, &roles, postgres.as_ref(), temporal.as_ref(), &settings)?;
        endpoints.write(data_dir.root())?;
        let temporal = temporal.map(|server| server.process);
        let postgres = postgres.map(|server| server.process);
        Ok(Self {
            roles,
            engines: temporal.into_iter().chain(postgres).collect(),
            endpoints,
            data_dir,
            _lock: lock,
        })
    }

    /// Resolves when an engine of ours ends on its own.
    pub(crate) async fn engine_failure(&self) -> anyhow::Error {
        let ends = self.engines.iter().map(async |engine| {
            let (status, name) = (engine.exited().await, engine.name());
            let log = self.data_dir.log(name);
            anyhow::anyhow!("{name} ended ({status}); see {}", log.display())
        });
        match ends.collect::<FuturesUnordered<_>>().next().await {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }

    /// In-flight requests and activities finish, then the engines stop.
    pub(crate) async fn stop(self) -> Result<()> {
        let roles = stop_all(&self.roles).await;
        Endpoints::remove(self.data_dir.root());
        roles.and(stop_all(&self.engines).await)
    }
}

/// Asks all of them to end at once and waits until they have.
async fn stop_all(processes: &[Process]) -> Result<()> {
    let stopped = join_all(processes.iter().map(Process::stop)).await;
    stopped.into_iter().collect()
}

/// PostgreSQL of this machine; `None` when somebody else's is to be used.
async fn start_postgres(data_dir: &DataDir, progress: &Progress) -> Result<Option<Postgres>> {
    if config::is_given("DATABASE_URL") {
        return Ok(None);
    }
    let binaries = ensure_postgres(data_dir, progress).await?;
    let step = progress.step("starting PostgreSQL");
    let server = Postgres::start(&binaries, data_dir, None).await?;
    step.done();
    Ok(Some(server))
}

/// Temporal of this machine, after its binary.
async fn start_temporal(data_dir: &DataDir, progress: &Progress) -> Result<(PathBuf, TemporalServer)> {
    let binary = ensure_temporal(data_dir, progress).await?;
    let step = progress.step("starting Temporal");
    let server = TemporalServer::start(&binary, data_dir, TemporalOptions::default()).await?;
    step.done();
    Ok((binary, server))
}

/// Waits until the gateway says everything is ready and a worker polls.
pub(crate) async fn ready(config: &Config, roles: &[Process]) -> Result<()> {
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .build()?;
    let url = format!("http://{}/readyz", config.setting::<String>("gateway.listen")?);
    wait_until("the services", READY, || async {
        roles.iter().try_for_each(Process::ensure_running)?;
        match http.get(&url).send().await {
            Ok(response) if response.status().is_success() => Ok(Check::Ready(())),
            Ok(response) => Ok(Check::NotYet(response.text().await.unwrap_or_default())),
            Err(error) => Ok(Check::NotYet(error.to_string())),
        }
    })
    .await?;
    let workflows = Engines::open(config)?.workflows();
    wait_until("the worker", READY, || async {
        roles.iter().try_for_each(Process::ensure_running)?;
        match workflows.has_pollers(smartcourse_workflows::TASK_QUEUE).await {
            Ok(true) => Ok(Check::Ready(())),
            Ok(false) => Ok(Check::NotYet("no worker polls the queue".to_owned())),
            Err(error) => Ok(Check::NotYet(error.chain())),
        }
    })
    .await
}
