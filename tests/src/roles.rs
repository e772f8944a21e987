//! A role as a process that can be killed.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// Characters of a log that are shown when a test fails.
const TAIL: usize = 4_000;

/// A running or dead role.
pub struct Role {
    name: &'static str,
    child: Child,
    args: Vec<String>,
    log: PathBuf,
}

impl Role {
    pub(crate) fn spawn(
        name: &'static str,
        mut command: Command,
        args: &[&str],
        log: PathBuf,
    ) -> Result<Self> {
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command
            // As a supervisor's child it ends when this test process does, however that happens.
            .env("SMARTCOURSE_SUPERVISED", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name,
            child,
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            log,
        })
    }

    /// The name it was started under.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn args(&self) -> Vec<String> {
        self.args.clone()
    }

    /// SIGTERM, then wait for the end.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let id = self.pid().to_string();
        let told = Command::new("kill").arg(&id).status()?;
        anyhow::ensure!(told.success(), "{} cannot be told to stop", self.name);
        self.child.wait()?;
        Ok(())
    }

    /// SIGKILL, then wait.
    pub fn kill(&mut self) {
        // A process that is dead already is what was wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let start = text.char_indices().rev().nth(TAIL).map_or(0, |(index, _)| index);
        text[start..].to_owned()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        self.kill();
    }
}
