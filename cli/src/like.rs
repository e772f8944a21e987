//! `smartcourse stack up --like compose`: what `docker-compose.yml` starts, on this machine without containers. Each container of
//! SmartCourse is a process with the command and the environment of the file; for each server there is what stands in for it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use smartcourse_launcher::{
    DataDir, Postgres, Process, Progress, ensure_fonts, ensure_model, ensure_postgres, free_port,
};
use smartcourse_platform::lifecycle::Lifecycle;

use crate::{
    compose::{self, Container},
    servers, stack,
};

const FILE: &str = "docker-compose.yml";
const PROFILE: &str = "full";
/// Where a container keeps what it keeps, and has its secrets.
const KEPT: &str = "/var/lib/smartcourse/";
const SECRETS: &str = "/run/secrets/";

/// What there is in place of each image. Addresses and secrets of the first are in `stack.env`.
const STAND_INS: [(&str, &str); 15] = [
    ("apache/kafka", "Kafka"),
    ("minio/minio", "MinIO"),
    ("mongo", "FerretDB, which speaks MongoDB's protocol"),
    ("opensearchproject/opensearch", "OpenSearch"),
    ("rabbitmq", "RabbitMQ"),
    ("redis", "Redis"),
    (
        "temporalio/auto-setup",
        "the Temporal server, on a PostgreSQL of its own",
    ),
    ("temporalio/ui", "the web interface of that server"),
    ("postgres", "PostgreSQL"),
    ("qdrant/qdrant", "vectors in PostgreSQL, which is built in"),
    ("axllent/mailpit", "mails as files"),
    ("grafana/grafana", "nothing"),
    ("jaegertracing/jaeger", "nothing; no traces are sent"),
    ("prom/alertmanager", "nothing"),
    ("prom/prometheus", "nothing; each process has its metrics"),
];

/// Everything but the servers of the stack, which run already; until Ctrl-C.
pub(crate) async fn run(args: &servers::Args) -> Result<ExitCode> {
    let data_dir = &args.open()?;
    let containers = compose::read(Path::new(FILE), PROFILE)?;
    tell(&containers)?;
    let life = Lifecycle::with_signals().context("signals cannot be handled")?;
    // All of it is that of `up --stack`, so one of them runs at a time.
    let _lock = data_dir.lock()?;
    let progress = Progress::auto();
    let postgres = ensure_postgres(data_dir, &progress).await?;
    let database = Postgres::start(&postgres, data_dir, None).await?;
    let mut given: BTreeMap<String, String> = servers::variables(data_dir)?.into_iter().collect();
    given.insert("DATABASE_URL".to_owned(), database.url.clone());
    given.insert(
        "SMARTCOURSE_GRPC__SERVICE_TOKEN".to_owned(),
        stack::service_token(data_dir.root())?,
    );
    let directories = [
        (
            "SMARTCOURSE_CONTENT__MODEL_DIR",
            ensure_model(data_dir, &progress).await,
        ),
        (
            "SMARTCOURSE_PROGRESS__FONTS_DIR",
            ensure_fonts(data_dir, &progress).await,
        ),
    ];
    let mut here = Here {
        containers: &containers,
        home: data_dir,
        given,
        ports: BTreeMap::new(),
    };
    let gateway = format!("http://127.0.0.1:{}", here.port("gateway", "8080")?);
    here.given
        .insert("SMARTCOURSE_MAIL__PUBLIC_URL".to_owned(), gateway.clone());
    let mut environments = BTreeMap::new();
    for (name, container) in containers.iter().filter(|(_, container)| container.is_ours()) {
        let mut environment = here.environment(name, container)?;
        if container.image == "smartcourse-models" {
            environment.extend(directories.iter().filter_map(directory));
        }
        environments.insert(name.as_str(), environment);
    }
    let roles = tokio::select! {
        started = start(&containers, &environments, data_dir) => started?,
        () = life.stopping() => return Ok(ExitCode::FAILURE),
    };
    let config = environments["gateway"].clone().into_iter().collect::<Vec<_>>();
    let config = crate::config::load(None, &config)?;
    tokio::select! {
        ready = stack::ready(&config, &roles) => ready?,
        () = life.stopping() => {}
    }
    if !life.token().is_cancelled() {
        crate::print(&format!("ready {gateway}\n"))?;
        life.stopping().await;
    }
    let stopped = join_all(roles.iter().map(Process::stop)).await;
    stopped.into_iter().collect::<Result<()>>()?;
    database.process.stop().await?;
    Ok(ExitCode::SUCCESS)
}

fn directory((variable, found): &(&str, Option<PathBuf>)) -> Option<(String, String)> {
    Some(((*variable).to_owned(), found.as_ref()?.display().to_string()))
}

/// Says what stands in for each server. Fails for one without.
fn tell(containers: &BTreeMap<String, Container>) -> Result<()> {
    let mut lines = format!("{FILE} on this machine:\n");
    for (name, container) in containers {
        let stands = if container.is_ours() {
            format!("smartcourse {}", container.command.join(" "))
        } else {
            let known = STAND_INS.iter().find(|(image, _)| *image == container.image);
            let (image, stands) =
                known.with_context(|| format!("{FILE}: nothing stands in for {}", container.image))?;
            format!("{stands} (for {image})")
        };
        lines += &format!("  {name:<14} {stands}\n");
    }
    crate::print(&lines).map(drop)
}

/// Where what the file names is on this machine.
struct Here<'a> {
    containers: &'a BTreeMap<String, Container>,
    home: &'a DataDir,
    /// What stands in for servers and secrets.
    given: BTreeMap<String, String>,
    /// By container and port.
    ports: BTreeMap<(String, String), u16>,
}

impl Here<'_> {
    fn port(&mut self, host: &str, port: &str) -> Result<u16> {
        let key = (host.to_owned(), port.to_owned());
        if let Some(port) = self.ports.get(&key) {
            return Ok(*port);
        }
        let port = free_port()?;
        self.ports.insert(key, port);
        Ok(port)
    }

    /// What a container is told, in words of this machine.
    fn environment(&mut self, name: &str, container: &Container) -> Result<BTreeMap<String, String>> {
        let mut environment = BTreeMap::new();
        for (variable, value) in &container.environment {
            if let Some(value) = self.value(name, value)? {
                environment.insert(variable.clone(), value);
            }
        }
        environment.extend(self.given.clone());
        Ok(environment)
    }

    /// A value; none where it is about a server or a secret of a container.
    fn value(&mut self, name: &str, value: &str) -> Result<Option<String>> {
        if value.starts_with(SECRETS) {
            return Ok(None);
        }
        if let Some(path) = value.strip_prefix(KEPT) {
            return Ok(Some(self.home.root().join(path).display().to_string()));
        }
        let (scheme, address) = value.split_at(value.find("://").map_or(0, |at| at + 3));
        let Some((host, port)) = address.rsplit_once(':') else {
            return Ok(Some(value.to_owned()));
        };
        let host = if host == "0.0.0.0" { name } else { host };
        Ok(match self.containers.get(host) {
            Some(container) if container.is_ours() => {
                Some(format!("{scheme}127.0.0.1:{}", self.port(host, port)?))
            }
            Some(_) => None,
            None => Some(value.to_owned()),
        })
    }
}

/// Runs what runs once, then starts the others, after those of an earlier run have ended.
async fn start(
    containers: &BTreeMap<String, Container>,
    environments: &BTreeMap<&str, BTreeMap<String, String>>,
    home: &DataDir,
) -> Result<Vec<Process>> {
    let program = std::env::current_exe().context("the path of this executable is unknown")?;
    let command = |name: &str| {
        let mut command = Command::new(&program);
        command
            .args(&containers[name].command)
            .env_clear()
            .envs(&environments[name]);
        command
    };
    let (once, roles): (Vec<&str>, Vec<&str>) = environments.keys().partition(|name| **name == "migrate");
    for name in once {
        let ended = tokio::process::Command::from(command(name)).status().await?;
        ensure!(ended.success(), "{name} ended with {ended}");
    }
    stack::end_earlier(&roles, home).await?;
    // There is one of each for as long as this process lives.
    let start = |name: &str| stack::start_one(command(name), name.to_owned().leak(), home);
    roles.into_iter().map(start).collect()
}
