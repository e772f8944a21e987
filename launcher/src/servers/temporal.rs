//! The Temporal server as a cluster of one machine, on a PostgreSQL of its own: a program of ours has its services, its web interface
//! and the tables they need.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use super::asking;
use crate::engine::{DYNAMIC_CONFIG, Postgres};
use crate::install::go::GoProgram;
use crate::ports::choose;
use crate::wait::Check;
use crate::{DataDir, Progress, ensure_postgres};

/// The development server is called Temporal.
pub(super) const NAME: &str = "Temporal-cluster";
pub(super) const PROGRAM: GoProgram = GoProgram {
    what: "Temporal",
    name: "temporal-server-1.32.0",
    files: &[
        ("main.go", include_str!("temporal/main.go")),
        ("go.mod", include_str!("temporal/go.mod")),
        ("go.sum", include_str!("temporal/go.sum")),
    ],
    package: ".",
    otherwise: "name a server in TEMPORAL_ADDRESS",
};

/// Its database, below its directory.
pub(super) async fn database(dir: &DataDir, home: &Path) -> anyhow::Result<Postgres> {
    let binaries = ensure_postgres(dir, &Progress::plain()).await?;
    let home = DataDir::open(home).with_context(|| format!("opening {}", home.display()))?;
    Postgres::start(&binaries, &home, None).await
}

/// The command, and a word of its command line.
pub(super) fn command(
    program: &Path,
    home: &Path,
    port: u16,
    database: &Postgres,
) -> anyhow::Result<(Command, String)> {
    let ui = choose("Temporal's web interface", None, &home.join("ui-port"))?;
    let port = port.to_string();
    let mut command = Command::new(program);
    command.args([port.as_str(), ui.to_string().as_str()]);
    for (key, value) in DYNAMIC_CONFIG {
        command.arg(format!("{key}={value}"));
    }
    command.env("DATABASE_URL", &database.url).current_dir(home);
    Ok((command, port))
}

pub(super) fn variables(home: &Path, port: u16) -> anyhow::Result<Vec<(&'static str, String)>> {
    let note = home.join("ui-port");
    let ui = std::fs::read_to_string(&note).with_context(|| format!("reading {}", note.display()))?;
    Ok(vec![
        ("TEMPORAL_ADDRESS", format!("127.0.0.1:{port}")),
        (
            "SMARTCOURSE_TEMPORAL__UI_URL",
            format!("http://127.0.0.1:{}", ui.trim()),
        ),
    ])
}

/// Its web interface is up once its namespace is there.
pub(super) async fn check(home: &Path) -> anyhow::Result<Check<()>> {
    let note = home.join("ui-port");
    let ui = std::fs::read_to_string(&note).with_context(|| format!("reading {}", note.display()))?;
    Ok(asking::serves(ui.trim().parse()?, "/").await)
}
