//! The servers of a stack: real engines that run as our children on 127.0.0.1, each on a directory of its own below the
//! [`DataDir`]. None of them is needed to run SmartCourse; each takes over from something built in.

mod asking;
mod ferretdb;
mod kafka;
mod minio;
mod opensearch;
mod rabbitmq;
mod redis;
mod temporal;

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Context;

use crate::account::private_dir;
use crate::engine::plan;
use crate::ports::choose;
use crate::process::{self, Escalation, Process, Signal};
use crate::wait::Check;
use crate::{DataDir, InstallError, Progress};

/// What a server may take to be ready: after a crash it reads what it wrote first.
const START_DEADLINE: Duration = Duration::from_secs(120);
/// What one look at it may take.
const LOOK: Duration = Duration::from_secs(2);
const ESCALATION: Escalation = &[(Signal::TERM, Duration::from_secs(20))];

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerKind {
    /// FerretDB, which speaks MongoDB's protocol over SQLite.
    FerretDb,
    /// Apache Kafka, of one node.
    Kafka,
    /// MinIO, which speaks the protocol of Amazon S3 over a directory.
    MinIo,
    /// OpenSearch, of one node.
    OpenSearch,
    /// RabbitMQ, whose queues are on disk.
    RabbitMq,
    /// Redis, which keeps what it is told in an append-only file.
    Redis,
    /// The Temporal server on PostgreSQL, with a cluster of its own.
    Temporal,
}

/// A server that runs as our child; dropping it stops it.
#[derive(Debug)]
pub struct Server {
    /// What names it to SmartCourse: environment variables and their values.
    pub variables: Vec<(&'static str, String)>,
    /// The server's process.
    pub process: Process,
    /// What it keeps its data in.
    beneath: Option<Process>,
}

impl Server {
    /// Waits until it has ended, or what it cannot do without.
    pub async fn exited(&self) -> ExitStatus {
        let beneath = async {
            match &self.beneath {
                Some(process) => process.exited().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            status = self.process.exited() => status,
            status = beneath => status,
        }
    }

    /// Asks it to end and waits until it has.
    pub async fn stop(&self) -> anyhow::Result<()> {
        let stopped = self.process.stop().await;
        let beneath = match &self.beneath {
            Some(process) => process.stop().await,
            None => Ok(()),
        };
        stopped.and(beneath)
    }
}

impl ServerKind {
    /// All there are.
    pub const ALL: [Self; 7] = [
        Self::FerretDb,
        Self::Kafka,
        Self::MinIo,
        Self::OpenSearch,
        Self::RabbitMq,
        Self::Redis,
        Self::Temporal,
    ];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::FerretDb => ferretdb::NAME,
            Self::Kafka => kafka::NAME,
            Self::MinIo => minio::NAME,
            Self::OpenSearch => opensearch::NAME,
            Self::RabbitMq => rabbitmq::NAME,
            Self::Redis => redis::NAME,
            Self::Temporal => temporal::NAME,
        }
    }

    /// The program, installed when it is missing.
    pub async fn ensure(self, dir: &DataDir, progress: &Progress) -> Result<PathBuf, InstallError> {
        match self {
            Self::FerretDb => ferretdb::PROGRAM.ensure(dir, progress).await,
            Self::Kafka => kafka::PROGRAM.ensure(dir, progress).await,
            Self::MinIo => minio::PROGRAM.ensure(dir, progress).await,
            Self::OpenSearch => opensearch::PROGRAM.ensure(dir, progress).await,
            Self::RabbitMq => rabbitmq::PROGRAM.ensure(dir, progress).await,
            Self::Redis => redis::PACKAGE.ensure(dir, progress).await,
            Self::Temporal => temporal::PROGRAM.ensure(dir, progress).await,
        }
    }

    /// Starts it on its data below `dir` and waits until it is ready. Without a `port` it is the one of the last start if
    /// free, else a free one. One that runs on the same data is taken for a left-over of a killed run and stopped first.
    pub async fn start(self, program: &Path, dir: &DataDir, port: Option<u16>) -> anyhow::Result<Server> {
        let name = self.name();
        let home = dir.root().join(name.to_lowercase());
        private_dir(&home).with_context(|| format!("creating {}", home.display()))?;
        let pid_file = home.join("pid");
        // Two on the same data would ruin it.
        process::stop_noted(name, &pid_file, ESCALATION).await?;
        let port = choose(name, port, &home.join("port"))?;
        let mut beneath = None;
        let (command, marker) = match self {
            Self::FerretDb => ferretdb::command(program, &home, port),
            Self::Kafka => kafka::command(program, &home, port).await?,
            Self::MinIo => minio::command(program, &home, port)?,
            Self::OpenSearch => opensearch::command(program, &home, port)?,
            Self::RabbitMq => rabbitmq::command(program, &home, port)?,
            Self::Redis => redis::command(program, &home, port),
            Self::Temporal => {
                let database = beneath.insert(temporal::database(dir, &home).await?);
                temporal::command(program, &home, port, database)?
            }
        };
        let server = Process::start(command, plan(name, dir, marker.clone(), ESCALATION))?;
        process::note(&pid_file, server.pid(), &marker)?;
        let look = async || {
            let look = async {
                match self {
                    Self::FerretDb => ferretdb::check(port).await,
                    Self::Kafka => kafka::check(port).await,
                    Self::MinIo => minio::check(port).await,
                    Self::OpenSearch => opensearch::check(port).await,
                    Self::RabbitMq => rabbitmq::check(port).await,
                    Self::Redis => redis::check(port).await,
                    Self::Temporal => temporal::check(&home).await,
                }
            };
            let silent = Ok(Check::NotYet("it does not answer".to_owned()));
            tokio::time::timeout(LOOK, look).await.unwrap_or(silent)
        };
        server
            .ready(&format!("{name} to be ready"), START_DEADLINE, look)
            .await?;
        let variables = match self {
            Self::FerretDb => vec![("MONGODB_URL", format!("mongodb://127.0.0.1:{port}/"))],
            Self::Kafka => vec![("KAFKA_BROKERS", format!("127.0.0.1:{port}"))],
            Self::MinIo => minio::variables(&home, port)?,
            Self::OpenSearch => vec![("OPENSEARCH_URL", format!("http://127.0.0.1:{port}"))],
            Self::RabbitMq => rabbitmq::variables(&home, port)?,
            Self::Redis => vec![("REDIS_URL", format!("redis://127.0.0.1:{port}"))],
            Self::Temporal => temporal::variables(&home, port)?,
        };
        Ok(Server {
            variables,
            process: server,
            beneath: beneath.map(|database| database.process),
        })
    }
}
