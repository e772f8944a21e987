//! The roles a process can have: services, worker, relay, tasks.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use clap::ValueEnum as _;
use secrecy::ExposeSecret as _;
use smartcourse_engines::Engines;
use smartcourse_platform::{
    config::Config,
    events::Consumer,
    grpc::{self, Channels, Transport},
    lifecycle::Lifecycle,
    outbox::relay as outbox_relay,
    postgres, server, tasks,
    tls::Certificates,
};
use smartcourse_proto::stubs::ServiceName;
use tokio::net::TcpListener;

use crate::{
    backlog, errors, fetch,
    services::{self, Name, ServiceHost},
    stack, telemetry, watch,
};

/// Pause between tries to reach Temporal.
const RECONNECT: Duration = Duration::from_millis(500);

/// The pools by which the database knows that a role runs: each is in use all the time, and past a pooler. By `health` services of 0.2
/// are known.
const POOLS: [&str; 4] = ["serve", "relay", "tasks", "health"];

/// The roles that are connected to the database, by the names of their pools.
pub(crate) async fn running(pool: &sqlx::PgPool) -> Result<Vec<String>> {
    Ok(postgres::connected(pool, &POOLS).await?)
}

/// Runs the given services, or all of them.
pub(crate) async fn serve(config: Config, only: &[Name]) -> Result<ExitCode> {
    let life = begin(&config, "serve").await?;
    let names = if only.is_empty() {
        Name::value_variants()
    } else {
        only
    };
    let here: Vec<ServiceName> = names.iter().filter_map(|name| name.service()).collect();
    let engines = Arc::new(Engines::open(&config)?.fetching(fetch::multilingual()));
    if here.contains(&ServiceName::Content) {
        let pool = postgres::pool(&config.postgres.direct().few(), "content-model")?;
        let Some(place) =
            smartcourse_content::ModelPlace::wait(pool, engines.models()?.main().model(), &life).await
        else {
            return Ok(finish(life).await);
        };
        life.spawn("model", place.keep(life.clone()));
        watch::disk(&config, &life)?;
    }
    let host = ServiceHost::new(&config, &engines, &here);
    let (router, health) = host.build().await?;
    if !here.is_empty() {
        watch::database(&config, "serve", Some(health), &life)?;
    }
    let servers = watch::servers(Arc::clone(&engines), &life);
    let certificates = grpc::certificates(&config.grpc)?;
    for name in &here {
        let listener = listen(config.grpc.address(*name)).await?;
        let limits = server::Limits::INTERNAL;
        let serve = server::serve(
            listener,
            router.clone(),
            limits,
            certificates.clone(),
            life.clone(),
        );
        life.spawn("grpc", serve);
    }
    spawn_consumers(&config, &engines, &host, &here, &life)?;
    if names.contains(&Name::Gateway) {
        let content: smartcourse_content::config::Content = config.section()?;
        let deps = smartcourse_gateway::Dependencies {
            stubs: smartcourse_gateway::Stubs::new(&Channels::open(|service| host.channel(service))?),
            rate_limits: engines.rate_limits(),
            announcements: engines.announcements(),
            servers,
            errors: errors::all(),
            files: smartcourse_gateway::Files {
                max_bytes: u64::try_from(content.max_upload_bytes)?,
                extensions: smartcourse_text::extensions().collect(),
            },
        };
        let app = smartcourse_gateway::router(&config, deps, life.clone())?;
        let settings: smartcourse_gateway::config::Gateway = config.section()?;
        let listener = listen(&settings.listen).await?;
        let limits = settings.limits();
        let certificates = settings
            .certificate()
            .map(|files| Certificates::open(files, b"http/1.1"));
        let certificates = certificates.transpose()?.map(Arc::new);
        let serve = server::serve(listener, app, limits, certificates, life.clone());
        life.spawn("gateway", serve);
    }
    tracing::info!(services = ?names, "serving");
    Ok(finish(life).await)
}

/// The consumer groups of the services that run here.
fn spawn_consumers(
    config: &Config,
    engines: &Engines,
    host: &ServiceHost<'_>,
    here: &[ServiceName],
    life: &Lifecycle,
) -> Result<()> {
    let log = engines.event_log();
    let spawn = |consumer: Arc<dyn Consumer>| -> Result<()> {
        let group = consumer.group();
        let pool = postgres::pool(&config.postgres.few(), group)?;
        let (log, ended) = (Arc::clone(&log), life.clone());
        life.spawn(group, async move { log.deliver(pool, consumer, ended).await });
        Ok(())
    };
    for name in here {
        match name {
            ServiceName::Course => {
                let deletions = smartcourse_course::Deletions::new(engines.documents());
                spawn(Arc::new(deletions))?;
            }
            ServiceName::Content => {
                let retention = smartcourse_content::Retention::new(config, services::clock())?;
                spawn(Arc::new(retention))?;
                spawn(Arc::new(smartcourse_content::Deletions))?;
            }
            ServiceName::Enrollment => {
                let pool = postgres::pool(&config.postgres.few(), "enrollment-commands")?;
                let commands = smartcourse_enrollment::Commands::new(config, pool, host.enrollment()?)?;
                spawn(Arc::new(commands))?;
                spawn(Arc::new(smartcourse_enrollment::Completions))?;
            }
            ServiceName::Progress => spawn(Arc::new(smartcourse_progress::Republished))?,
            ServiceName::Notification => spawn(Arc::new(smartcourse_notification::Feed::new(
                host.message_channels()?,
            )))?,
            ServiceName::Analytics => spawn(Arc::new(smartcourse_analytics::Counter))?,
            _ => {}
        }
    }
    Ok(())
}

/// Runs workflows and activities.
pub(crate) async fn worker(config: Config) -> Result<ExitCode> {
    let life = begin(&config, "worker").await?;
    let engines = Engines::open(&config)?;
    life.spawn("worker", {
        let life = life.clone();
        async move {
            let client = loop {
                match engines.temporal_client().await {
                    Ok(client) => break client,
                    Err(error) => tracing::warn!(error = %error.chain(), "waiting for Temporal"),
                }
                if !life.sleep(RECONNECT).await {
                    return Ok(());
                }
            };
            smartcourse_worker::run(config, client, life)
                .await
                .map_err(|error| format!("{error:#}"))
        }
    });
    Ok(finish(life).await)
}

/// Hands over the outbox and reconciles.
pub(crate) async fn relay(config: Config) -> Result<ExitCode> {
    let life = begin(&config, "relay").await?;
    let engines = Engines::open(&config)?;
    let workflows = engines.workflows();
    // It listens, and holds the locks of a session.
    let pool = postgres::pool(&config.postgres.direct(), "relay")?;
    let carriers = outbox_relay::Carriers {
        workflows: Arc::clone(&workflows),
        log: engines.event_log(),
        tasks: engines.task_dispatch(),
    };
    let (log, ended) = (engines.event_log(), life.clone());
    life.spawn("commands", async move { log.accept(ended).await });
    let backlog = backlog::watch(pool.clone(), engines.event_log(), life.clone());
    life.spawn("backlog", backlog);
    let relay = outbox_relay::run(pool, carriers, config.relay.poll(), life.clone());
    life.spawn("relay", relay);
    let course = Transport::to(&config.grpc, ServiceName::Course)?;
    let enrollment = Transport::to(&config.grpc, ServiceName::Enrollment)?;
    let assistant = Transport::to(&config.grpc, ServiceName::Assistant)?;
    let interval = Duration::from_secs(config.relay.reconcile_seconds.max(1));
    let owners = smartcourse_worker::Owners::new(course, enrollment, assistant);
    let reconciler = smartcourse_worker::reconcile(owners, workflows, interval, life.clone());
    life.spawn("reconciler", reconciler);
    Ok(finish(life).await)
}

/// Runs background tasks.
pub(crate) async fn tasks(config: Config) -> Result<ExitCode> {
    let life = begin(&config, "tasks").await?;
    watch::database(&config, "tasks", None, &life)?;
    let engines = Engines::open(&config)?;
    let senders = smartcourse_notification::Senders {
        mailer: engines.mailer()?,
        texter: engines.texter()?,
        pusher: engines.pusher()?,
    };
    let pool = |name| postgres::pool(&config.postgres, name);
    let mut handlers = smartcourse_notification::handlers(
        &config,
        pool("notification-tasks")?,
        senders,
        Transport::to(&config.grpc, ServiceName::User)?,
        Transport::to(&config.grpc, ServiceName::Course)?,
    )?;
    let removal = smartcourse_content::FileRemoval::new(pool("content-tasks")?, engines.files()?);
    handlers.push(Arc::new(removal));
    handlers.push(Arc::new(smartcourse_analytics::Reports::new(pool(
        "analytics-tasks",
    )?)));
    handlers.push(Arc::new(smartcourse_progress::Settling::new(pool(
        "progress-tasks",
    )?)));
    let (pool, dispatch) = (pool("tasks")?, engines.task_dispatch());
    life.spawn(
        "tasks",
        tasks::run(pool, dispatch, handlers, config.tasks, life.clone()),
    );
    Ok(finish(life).await)
}

/// Waits for the end of a process; success when everything it had begun is finished.
pub(crate) async fn finish(life: Lifecycle) -> ExitCode {
    if life.finished().await {
        ExitCode::SUCCESS
    } else {
        tracing::error!("some work did not finish in time and was left behind");
        ExitCode::FAILURE
    }
}

/// The life of a role, which ends with the signals of a terminal or a supervisor; it says of itself what it does from here on.
async fn begin(config: &Config, role: &'static str) -> Result<Lifecycle> {
    anyhow::ensure!(
        config.grpc.certificates().is_some() || config.grpc.service_token.expose_secret().len() >= 16,
        "grpc.service_token must have at least 16 characters: set SMARTCOURSE_GRPC__SERVICE_TOKEN to the same secret for every role"
    );
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    if let Some(lock) = std::env::var_os(stack::SUPERVISED) {
        stack::stop_with_parent(&life, Path::new(&lock))?;
    }
    if let Some(address) = config.telemetry.metrics_address(role) {
        let listener = listen(&address).await.context("telemetry.metrics_listen")?;
        telemetry::serve(listener, role, &life)?;
    }
    Ok(life)
}

/// Fails when the address is taken.
pub(crate) async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}
