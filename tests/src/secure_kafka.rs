//! A real Kafka that speaks TLS and asks who is there.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_launcher::{
    Check, DataDir, Escalation, Plan, Process, Progress, ServerKind, Signal, Tie, free_port,
};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{authority::Authority, database::tools};

/// What it may take to be ready.
const START: Duration = Duration::from_secs(120);
const STOP: Escalation = &[(Signal::KILL, Duration::from_secs(5))];
/// What is the same of each.
const PROPERTIES: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
ssl.keystore.type=PEM
ssl.truststore.type=PEM
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
";

/// A Kafka of one node. Dropping it ends it.
pub struct SecureKafka {
    /// Where it asks for a certificate.
    pub by_certificate: String,
    /// Where it asks for a name and a password.
    pub by_password: String,
    _process: Process,
    files: TempDir,
}

impl SecureKafka {
    /// Who may come in by a password.
    pub const USERNAME: &'static str = "smartcourse";
    /// And the password.
    pub const PASSWORD: &'static str = "a secret of the tests";

    /// Installs it when it is missing, and starts it. Its [`file`](Self::file)s are `authority.pem`, who signed everything, and `client.pem`
    /// and `client.key`, who may come in by a certificate.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn start() -> Result<Self> {
        let jars = ServerKind::Kafka
            .ensure(&tools().await?, &Progress::plain())
            .await?;
        let files = TempDir::with_prefix("smartcourse-test-kafka-")?;
        let authority = Authority::new(files.path(), "authority")?;
        authority.certify("broker", &["127.0.0.1"])?;
        authority.certify("client", &["smartcourse"])?;
        let file = |name: &str| files.path().join(name);
        let both = ["broker.key", "broker.pem"].map(|name| std::fs::read_to_string(file(name)));
        let both: std::io::Result<Vec<String>> = both.into_iter().collect();
        std::fs::write(file("keystore.pem"), both?.concat())?;

        let [plain, by_certificate, by_password, controller] =
            [free_port()?, free_port()?, free_port()?, free_port()?];
        let (username, password) = (Self::USERNAME, Self::PASSWORD);
        let properties = format!(
            "{PROPERTIES}controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{plain},SSL://127.0.0.1:{by_certificate},SASL_SSL://127.0.0.1:{by_password},\
             CONTROLLER://127.0.0.1:{controller}\n\
             listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
             user_{username}=\"{password}\";\n\
             ssl.keystore.location={}\nssl.truststore.location={}\nlog.dirs={}\n",
            file("keystore.pem").display(),
            file("authority.pem").display(),
            file("data").display(),
        );
        let config = file("server.properties");
        std::fs::write(&config, properties)?;
        let mut format = java(&jars, files.path(), "kafka.tools.StorageTool");
        format
            .args(["format", "--cluster-id", "c21hcnRjb3Vyc2Uta2Fma2", "--config"])
            .arg(&config);
        format.args([
            "--add-scram",
            &format!("SCRAM-SHA-512=[name={username},password={password}]"),
        ]);
        let formatted = format.output().context("java")?;
        ensure!(
            formatted.status.success(),
            "{}",
            String::from_utf8_lossy(&formatted.stderr)
        );

        let mut server = java(&jars, files.path(), "kafka.Kafka");
        server.arg(&config);
        let process = Process::start(
            server,
            Plan {
                name: "Kafka",
                log: DataDir::open(files.path())?.log("kafka"),
                tie: Tie::Watchdog(config.display().to_string()),
                stop: STOP,
                drop: Duration::ZERO,
                restart: None,
            },
        )?;
        let listens = async || {
            Ok(match TcpStream::connect(("127.0.0.1", by_password)).await {
                Ok(_) => Check::Ready(()),
                Err(error) => Check::NotYet(error.to_string()),
            })
        };
        process.ready("Kafka to listen", START, listens).await?;
        Ok(Self {
            by_certificate: format!("127.0.0.1:{by_certificate}"),
            by_password: format!("127.0.0.1:{by_password}"),
            _process: process,
            files,
        })
    }

    /// A file of it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }
}

fn java(jars: &Path, home: &Path, main: &str) -> Command {
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
    command.arg(jars.join("*")).arg(main).current_dir(home);
    command
}
