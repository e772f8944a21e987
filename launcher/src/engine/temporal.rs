//! The Temporal development server on a SQLite file.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use super::plan;
use crate::account::private_dir;
use crate::ports::choose;
use crate::process::{self, Escalation, Process, Signal};
use crate::wait::Check;
use crate::{DataDir, port_is_free};

const NAME: &str = "Temporal";
const START_DEADLINE: Duration = Duration::from_secs(60);
const ESCALATION: Escalation = &[
    (Signal::INT, Duration::from_secs(10)),
    (Signal::TERM, Duration::from_secs(5)),
];

/// What workflows can be searched by, besides what Temporal always knows.
const SEARCH_ATTRIBUTES: [&str; 2] = ["CourseId=Int", "InstructorId=Int"];

/// Settings that turn the defaults of a large cluster into those of one machine. Measured together they take a
/// workflow of four activities from 450 ms to 60 ms.
pub(crate) const DYNAMIC_CONFIG: [(&str, &str); 6] = [
    // The default of 20 task batches a second means 50 ms for every hand-over to a worker.
    ("history.transferProcessorMaxPollRPS", "2000"),
    // Lets the server start an activity on the worker that asked for it, without a round trip through the queue.
    ("system.enableActivityEagerExecution", "true"),
    // With several partitions a task may wait two seconds in one that nobody polls at the moment.
    ("matching.numTaskqueueReadPartitions", "1"),
    ("matching.numTaskqueueWritePartitions", "1"),
    // Timers and retries to the millisecond instead of the second.
    ("history.timerProcessorMaxTimeShift", "\"10ms\""),
    ("history.timerProcessorMaxPollRPS", "2000"),
];

/// The ports of a Temporal server.
#[derive(Clone, Copy, Debug)]
pub struct TemporalPorts {
    /// Where workers and clients connect.
    pub frontend: u16,
    /// Where the web interface is.
    pub ui: u16,
}

/// How to start a [`TemporalServer`]; the default is what a user's machine wants.
#[derive(Clone, Debug, Default)]
pub struct TemporalOptions {
    /// Fixed ports; otherwise those of the last start if free, else free ones.
    pub ports: Option<TemporalPorts>,
    /// Keeps workflows in memory only, for tests.
    pub in_memory: bool,
    /// More dynamic configuration: keys with JSON values. A key given here replaces our own setting.
    pub dynamic_config: Vec<(String, String)>,
}

/// A Temporal server that runs as our child; dropping it stops it.
#[derive(Debug)]
pub struct TemporalServer {
    /// `host:port` of the frontend.
    pub address: String,
    /// The namespace to use.
    pub namespace: String,
    /// The address of the web interface.
    pub ui_url: String,
    /// The server's process: watch it and stop it by this.
    pub process: Process,
}

impl TemporalServer {
    /// Starts the server with its database below `dir` and waits until it serves.
    ///
    /// The caller holds [`DataDir::lock`]: a server that runs on the same directory is taken for a left-over of a
    /// killed run and stopped first.
    pub async fn start(bin: &Path, dir: &DataDir, options: TemporalOptions) -> anyhow::Result<Self> {
        let home = dir.root().join("temporal");
        private_dir(&home).with_context(|| format!("creating {}", home.display()))?;
        let pid_file = home.join("temporal.pid");
        process::stop_noted(NAME, &pid_file, ESCALATION).await?;

        let asked = options.ports;
        let frontend = choose("Temporal", asked.map(|ports| ports.frontend), &home.join("port"))?;
        let (name, note) = ("Temporal's web interface", home.join("ui-port"));
        let ui = choose(name, asked.map(|ports| ports.ui), &note)?;
        let database = match options.in_memory {
            true => None,
            false => Some(database_name(bin).await),
        };
        let ports = TemporalPorts { frontend, ui };
        let command = command(bin, &home, database, ports, &options.dynamic_config);
        let server = Process::start(command, plan(NAME, dir, marker(frontend), ESCALATION))?;
        process::note(&pid_file, server.pid(), &marker(frontend))?;

        let address = format!("127.0.0.1:{frontend}");
        let check = || check(bin, &address, frontend);
        server
            .ready("the Temporal server to serve", START_DEADLINE, check)
            .await
            .with_context(|| format!("see {}", dir.log(NAME).display()))?;
        Ok(Self {
            address,
            namespace: "default".to_owned(),
            ui_url: format!("http://127.0.0.1:{ui}"),
            process: server,
        })
    }
}

/// The server's word for its port on its command line, which tells it from every other process.
fn marker(frontend: u16) -> String {
    format!("--port={frontend}")
}

/// The name of the database's file, like `temporal-1.32.db`.
///
/// The development server does not bring the tables of an earlier one up to date: on such a file, schedules fail. So
/// each has a file of its own, and what ran under an earlier one is begun again as after the loss of a server.
async fn database_name(bin: &Path) -> String {
    let mut version = Command::new(bin);
    version.arg("--version");
    let output = process::run(version, "").await.ok();
    let server = output.and_then(|output| minor_version(&String::from_utf8_lossy(&output.stdout)));
    server.map_or("temporal.db".to_owned(), |server| format!("temporal-{server}.db"))
}

/// `1.32` of "temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)".
fn minor_version(text: &str) -> Option<String> {
    let (_, server) = text.split_once("(Server ")?;
    let mut numbers = server.split(|c: char| !c.is_ascii_digit());
    let (major, minor) = (numbers.next()?, numbers.next()?);
    (!major.is_empty() && !minor.is_empty()).then(|| format!("{major}.{minor}"))
}

fn command(
    bin: &Path,
    home: &Path,
    database: Option<String>,
    ports: TemporalPorts,
    dynamic_config: &[(String, String)],
) -> Command {
    let mut command = Command::new(bin);
    command.args(["server", "start-dev", "--log-level", "warn"]);
    command.args(["--ip", "127.0.0.1", "--ui-ip", "127.0.0.1"]);
    command.args([marker(ports.frontend), format!("--ui-port={}", ports.ui)]);
    if let Some(database) = database {
        command.arg("--db-filename").arg(home.join(database));
        // Halves the server's work per workflow; a crash of the machine may cost the last moments, never the file.
        for pragma in ["journal_mode=WAL", "synchronous=1"] {
            command.args(["--sqlite-pragma", pragma]);
        }
    }
    for attribute in SEARCH_ATTRIBUTES {
        command.args(["--search-attribute", attribute]);
    }
    let replaced = |key: &str| dynamic_config.iter().any(|(extra, _)| extra == key);
    let own = DYNAMIC_CONFIG.into_iter().filter(|(key, _)| !replaced(key));
    let more = dynamic_config
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    for (key, value) in own.chain(more) {
        command
            .arg("--dynamic-config-value")
            .arg(format!("{key}={value}"));
    }
    command.current_dir(home);
    command
}

async fn check(bin: &Path, address: &str, port: u16) -> anyhow::Result<Check<()>> {
    if port_is_free(port) {
        return Ok(Check::NotYet(format!("nobody listens on {address}")));
    }
    let mut health = Command::new(bin);
    health.args(["operator", "cluster", "health", "--address", address]);
    let Ok(output) = tokio::time::timeout(Duration::from_secs(10), process::run(health, "")).await else {
        return Ok(Check::NotYet("the health check does not answer".to_owned()));
    };
    let output = output.context("running temporal operator cluster health")?;
    let text = match output.status.success() {
        true => output.stdout,
        false => output.stderr,
    };
    let text = String::from_utf8_lossy(&text);
    if text.contains("SERVING") && !text.contains("NOT_SERVING") {
        return Ok(Check::Ready(()));
    }
    Ok(Check::NotYet(format!("the health check says {:?}", text.trim())))
}

#[cfg(test)]
mod tests {
    use super::minor_version;

    #[test]
    fn the_minor_version_of_the_server_is_found_or_left_open() {
        let release = "temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)";
        assert_eq!(minor_version(release).as_deref(), Some("1.32"));
        let built = "temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)";
        assert_eq!(minor_version(built).as_deref(), Some("1.29"));
        for other in ["", "temporal version 0.13.2 (server 1.24.2)", "(Server dev)"] {
            assert_eq!(minor_version(other), None, "{other}");
        }
    }
}
