//! The real servers a test names, each on a directory and a port of its own.

use std::path::Path;

use anyhow::{Context as _, Result};
use smartcourse_launcher::{DataDir, Progress, Server, ServerKind, Signal};
use tempfile::TempDir;

use crate::database::tools;

/// A server of one test.
pub struct TestServer {
    kind: ServerKind,
    server: Option<Server>,
    variables: Vec<(&'static str, String)>,
    home: TempDir,
}

impl TestServer {
    /// Installs it when it is missing, and starts it.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn start(kind: ServerKind) -> Result<Self> {
        let home = TempDir::with_prefix("smartcourse-test-server-")?;
        let server = launch(kind, &home).await?;
        Ok(Self {
            kind,
            variables: server.variables.clone(),
            server: Some(server),
            home,
        })
    }

    /// What names it, the same after each start; empty for a variable it has not.
    pub fn variable(&self, name: &str) -> &str {
        let found = self.variables.iter().find(|(variable, _)| *variable == name);
        found.map_or("", |(_, value)| value)
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// All that names it.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.variables.iter();
        pairs.map(|(name, value)| ((*name).to_owned(), value.clone()))
    }

    /// Where it keeps what it has.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Kills it as the machine's owner would: nothing is flushed.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill(&mut self) -> Result<()> {
        let server = self.server.take().context("it runs")?;
        server.process.kill();
        server.process.exited().await;
        Ok(())
    }

    /// Stops it.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        let server = self.server.take().context("it runs")?;
        server.stop().await
    }

    /// Freezes it: its connections stay, and nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(server) = &self.server {
            server.process.signal(signal);
        }
    }

    /// Starts it on its data and port of before.
    ///
    /// # Errors
    /// When it cannot be started there.
    pub async fn start_again(&mut self) -> Result<()> {
        self.server = Some(launch(self.kind, &self.home).await?);
        Ok(())
    }
}

async fn launch(kind: ServerKind, home: &TempDir) -> Result<Server> {
    let program = kind.ensure(&tools().await?, &Progress::plain()).await?;
    kind.start(&program, &DataDir::open(home.path())?, None).await
}
