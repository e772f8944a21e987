//! One engine as a child process: started in a group of its own, watched, stopped in steps.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use super::watchdog::Watchdog;
use crate::DataDir;

/// A signal and how long the engine has to end after it; SIGKILL follows the last one.
pub(super) type Escalation = &'static [(Signal, Duration)];

/// What a drop, which blocks its thread, grants before SIGKILL.
const DROP_PATIENCE: Duration = Duration::from_secs(5);

/// A running engine. Independent of any Tokio runtime, so that tests may share one between theirs.
#[derive(Debug)]
pub(super) struct Engine {
    name: &'static str,
    pid: u32,
    child: Mutex<Child>,
    escalation: Escalation,
    log: PathBuf,
    log_start: u64,
    // Dropped last: it must not see a living engine lose its owner while we are stopping it.
    _watchdog: Watchdog,
}

impl Engine {
    /// Starts `command` with its output going to `logs/<log_name>.log`.
    ///
    /// The group of its own keeps a terminal's Ctrl-C from the engine: our services need it until they have stopped.
    pub(super) fn spawn(
        name: &'static str,
        mut command: Command,
        dir: &DataDir,
        marker: &str,
        escalation: Escalation,
    ) -> anyhow::Result<Self> {
        let (log_file, log) = dir
            .open_log(&name.to_lowercase())
            .context("opening the log of an engine")?;
        let log_start = log_file.metadata().map_or(0, |meta| meta.len());
        command
            .stdin(Stdio::null())
            .stdout(log_file.try_clone()?)
            .stderr(log_file)
            .process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {name} ({program})"))?;
        let pid = child.id();
        let watchdog = match Watchdog::start(pid, marker) {
            Ok(watchdog) => watchdog,
            Err(error) => {
                child
                    .kill()
                    .and_then(|()| child.wait())
                    .context("stopping an engine that cannot be watched")?;
                return Err(error).with_context(|| format!("starting the watchdog of {name} (/bin/sh)"));
            }
        };
        Ok(Self {
            name,
            pid,
            child: Mutex::new(child),
            escalation,
            log,
            log_start,
            _watchdog: watchdog,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the engine ended, or `None` while it runs.
    pub(super) fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// Waits until the engine has ended, which it does only when something went wrong or it is being stopped.
    pub(super) async fn exited(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// An error when the engine has ended, with the last lines of its log.
    pub(super) fn ensure_running(&self) -> anyhow::Result<()> {
        match self.exit_status() {
            None => Ok(()),
            Some(status) => anyhow::bail!(
                "{} ended ({status}) while starting: {}; the whole log is {}",
                self.name,
                self.log_tail(),
                self.log.display()
            ),
        }
    }

    /// What this run has written to the log, at most its last lines.
    pub(super) fn log_tail(&self) -> String {
        tail(&self.log, self.log_start).unwrap_or_else(|_| "its log cannot be read".to_owned())
    }

    /// Asks the engine to end, more and more firmly, and waits until it has.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        for (signal, patience) in self.escalation {
            self.signal(*signal);
            if tokio::time::timeout(*patience, self.exited()).await.is_ok() {
                return Ok(());
            }
            tracing::warn!(engine = self.name, ?signal, "did not end in time");
        }
        self.signal(Signal::KILL);
        let ended = tokio::time::timeout(DROP_PATIENCE, self.exited()).await;
        ended.with_context(|| {
            format!(
                "{} (process {}) does not end, not even by SIGKILL",
                self.name, self.pid
            )
        })?;
        Ok(())
    }

    /// Signals the engine if it still runs. Until it is reaped, which only we do, its id cannot belong to another.
    fn signal(&self, signal: Signal) {
        let mut child = self.child();
        if let (Ok(None), Some(pid)) = (child.try_wait(), Pid::from_raw(self.pid.cast_signed())) {
            let _gone = kill_process(pid, signal);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.exit_status().is_some() {
            return;
        }
        if let Some((signal, _)) = self.escalation.first() {
            self.signal(*signal);
        }
        let started = Instant::now();
        while self.exit_status().is_none() {
            if started.elapsed() > DROP_PATIENCE {
                self.signal(Signal::KILL);
                drop(self.child().wait());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The last lines of the file from `start` on, joined.
fn tail(log: &Path, start: u64) -> std::io::Result<String> {
    const BYTES: u64 = 4096;
    let mut file = std::fs::File::open(log)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(end.saturating_sub(BYTES))))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(6)..].join(" / "))
}
