//! OpenSearch as one node, made of its libraries: a program of our own begins it, with the parts of its distribution that are needed.

use std::path::Path;
use std::process::Command;

use super::asking;
use crate::install::maven::{JavaProgram, java};
use crate::wait::Check;
use anyhow::Context;

pub(super) const NAME: &str = "OpenSearch";
pub(super) const PROGRAM: JavaProgram = JavaProgram {
    what: NAME,
    name: "opensearch-2.19.6",
    pom: include_str!("opensearch/pom.xml"),
    sums: include_str!("opensearch/sha256sums"),
    otherwise: "name a server in OPENSEARCH_URL",
};

/// The command, and a word of its command line. Java compiles the program when it starts it, which takes a JDK.
pub(super) fn command(jars: &Path, home: &Path, port: u16) -> anyhow::Result<(Command, String)> {
    let program = home.join("OpenSearchNode.java");
    std::fs::write(&program, include_str!("opensearch/OpenSearchNode.java"))
        .with_context(|| format!("writing {}", program.display()))?;
    let mut command = Command::new(java().context("Java was not found: install it")?);
    command.args([
        "-Xms256m",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
    ]);
    command.arg(jars.join("*")).arg(&program);
    command.arg(port.to_string()).arg(home).current_dir(home);
    Ok((command, program.display().to_string()))
}

/// It answers before it has read its indexes.
pub(super) async fn check(port: u16) -> anyhow::Result<Check<()>> {
    Ok(asking::serves(port, "/_cluster/health?wait_for_status=yellow&timeout=1s").await)
}
