//! Apache Kafka as one node that is broker and controller.

use std::path::Path;
use std::process::Command;

use super::asking;
use crate::install::maven::{JavaProgram, java};
use crate::ports::choose;
use crate::process;
use crate::wait::Check;
use anyhow::Context;

pub(super) const NAME: &str = "Kafka";
pub(super) const PROGRAM: JavaProgram = JavaProgram {
    what: NAME,
    name: "kafka-4.1.0",
    pom: include_str!("kafka/pom.xml"),
    sums: include_str!("kafka/sha256sums"),
    otherwise: "name brokers in KAFKA_BROKERS",
};
/// Any 16 bytes in Base64 will do: the data of one directory is never another's.
const CLUSTER: &str = "c21hcnRjb3Vyc2Uta2Fma2";
/// What a node that is alone needs.
const ALONE: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=8388608
# A machine that dies loses what the disk has not been told: nobody else has it.
log.flush.interval.messages=1
";

/// The command, and a word of its command line.
pub(super) async fn command(jars: &Path, home: &Path, port: u16) -> anyhow::Result<(Command, String)> {
    let controller = choose("Kafka's controller", None, &home.join("controller-port"))?;
    let data = home.join("data");
    let file = home.join("server.properties");
    let text = format!(
        "{ALONE}controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         log.dirs={}\n",
        data.display()
    );
    std::fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    let mut format = program(jars, home, "kafka.tools.StorageTool")?;
    format
        .args(["format", "--ignore-formatted", "-t", CLUSTER, "-c"])
        .arg(&file);
    let formatted = process::run(format, "")
        .await
        .context("preparing Kafka's directory")?;
    anyhow::ensure!(
        formatted.status.success(),
        "Kafka cannot use {}: {}",
        data.display(),
        String::from_utf8_lossy(&formatted.stderr)
    );
    let mut command = program(jars, home, "kafka.Kafka")?;
    command.arg(&file);
    Ok((command, file.display().to_string()))
}

fn program(jars: &Path, home: &Path, main: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(java().context("Java was not found: install it")?);
    command.args([
        "-Xms64m",
        "-Xmx256m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-cp",
    ]);
    command.arg(jars.join("*")).arg(main).current_dir(home);
    Ok(command)
}

/// It answers which requests it knows once it serves any.
pub(super) async fn check(port: u16) -> anyhow::Result<Check<()>> {
    // ApiVersions, version 0: length, key 18, version, correlation 1, no client. It answers length, correlation, error.
    const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    Ok(asking::answers(port, &REQUEST, |answer: &[u8; 10]| {
        answer.ends_with(&[0, 0, 0, 1, 0, 0])
    })
    .await)
}
