//! PostgreSQL on a cluster of its own.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::cluster::{Cluster, DATABASE, USER};
use super::plan;
use crate::ports::choose;
use crate::process::{self, Escalation, Process, Signal};
use crate::wait::Check;
use crate::{DataDir, PostgresBinaries};

const NAME: &str = "PostgreSQL";
/// Recovery after a crash happens before the server is ready and takes as long as there is log to replay.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// How long a start is tried again while processes of a killed server still hold its shared memory.
const LEFT_OVER_PATIENCE: Duration = Duration::from_secs(20);
/// SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one, which means recovery at the next start.
const ESCALATION: Escalation = &[
    (Signal::INT, Duration::from_secs(30)),
    (Signal::QUIT, Duration::from_secs(5)),
];

/// A PostgreSQL server that runs as our child; dropping it stops it.
#[derive(Debug)]
pub struct Postgres {
    /// The URL of the database `smartcourse`, with its superuser's password.
    pub url: String,
    /// The port on 127.0.0.1.
    pub port: u16,
    /// The server's process: watch it and stop it by this.
    pub process: Process,
}

impl Postgres {
    /// Starts the server on the cluster below `dir`, creating that first when there is none, and waits until it
    /// accepts connections. Without a `port` it is the one of the last start if free, else a free one.
    ///
    /// The caller holds [`DataDir::lock`]: a server that runs on the same directory is taken for a left-over of a
    /// killed run and stopped first.
    pub async fn start(bins: &PostgresBinaries, dir: &DataDir, port: Option<u16>) -> anyhow::Result<Self> {
        let cluster = Cluster::open(dir)?;
        cluster.ensure_initialised(bins).await?;
        remove_left_over(&cluster.data()).await?;

        let password = cluster.password()?;
        let port = choose(NAME, port, &cluster.port_note())?;
        let started = Instant::now();
        let process = loop {
            let plan = plan(NAME, dir, marker(&cluster.data()), ESCALATION);
            let process = Process::start(command(&cluster, bins, port), plan)?;
            let check = || check(&cluster, process.pid());
            let ready = process.ready("PostgreSQL accepting connections", START_DEADLINE, check);
            match ready.await {
                Ok(()) => break process,
                Err(_) if started.elapsed() < LEFT_OVER_PATIENCE && memory_in_use(&process) => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Err(error) => return Err(error),
            }
        };
        let url = format!("postgres://{USER}:{password}@127.0.0.1:{port}/{DATABASE}");
        Ok(Self { url, port, process })
    }
}

/// The cluster's path, which is a word of the server's command line.
fn marker(data: &Path) -> String {
    data.display().to_string()
}

fn command(cluster: &Cluster, bins: &PostgresBinaries, port: u16) -> Command {
    let mut command = cluster.command(bins, "postgres");
    command.arg("-D").arg(cluster.data());
    let port = format!("port={port}");
    let settings = [
        port.as_str(),
        // No Unix socket: its directory would have to be writable by us and by the service user.
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        // A laptop's share. Everything about durability stays at its safe default.
        "shared_buffers=64MB",
        "max_connections=400",
        // Our queries are short; compiling them costs more than running them.
        "jit=off",
        "timezone=UTC",
        "log_timezone=UTC",
        "logging_collector=off",
        "log_destination=stderr",
    ];
    for setting in settings {
        command.args(["-c", setting]);
    }
    command
}

/// `postmaster.pid` says how far the server is, in its eighth line; `pg_ctl` waits by it as well.
async fn check(cluster: &Cluster, pid: u32) -> anyhow::Result<Check<()>> {
    let text = std::fs::read_to_string(cluster.data().join("postmaster.pid")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let ours = lines.first().is_some_and(|line| line.parse() == Ok(pid));
    match lines.get(7) {
        Some(&"ready") if ours => Ok(Check::Ready(())),
        Some(status) if ours => Ok(Check::NotYet(format!("the server is {status}"))),
        _ => Ok(Check::NotYet("the server has not announced itself".to_owned())),
    }
}

/// Whether the start failed only because processes of the server before it have not ended yet.
fn memory_in_use(process: &Process) -> bool {
    process.exit_status().is_some() && process.log_tail().contains("shared memory block")
}

/// Stops a server that outlived its owner, and removes the lock file of one that did not: PostgreSQL does that itself,
/// unless another process has got the same id in the meantime.
async fn remove_left_over(data: &Path) -> anyhow::Result<()> {
    let lock = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&lock) else {
        return Ok(());
    };
    if let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) {
        process::stop_left_over(NAME, pid, &marker(data), ESCALATION).await?;
    }
    match std::fs::remove_file(&lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing the stale {}", lock.display()))
        }
        _ => Ok(()),
    }
}
