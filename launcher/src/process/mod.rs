//! Processes of ours: started with their output in a log, tied to us, watched, started again where that is wanted, and
//! stopped in steps.
//!
//! Engines, the supervisor's roles and those of tests are each a [`Process`] kept by a [`Plan`]. What only runs to its
//! end, like `initdb` or `pip`, is `run`. None needs a Tokio runtime of its own, so that tests may share one between theirs.

mod left_over;
mod watchdog;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, kill_process};
use tokio::io::AsyncWriteExt;

pub(crate) use left_over::{note, stop as stop_left_over, stop_noted};
pub use rustix::process::Signal;
use watchdog::Watchdog;

use crate::wait::{Check, wait_until};

/// A signal and how long the process has to end after it; SIGKILL follows the last one.
pub type Escalation = &'static [(Signal, Duration)];

/// How long a process may take to be gone after SIGKILL.
const KILLED: Duration = Duration::from_secs(5);
/// Deaths after which a process that is started again and again is given up.
const TOO_MANY_DEATHS: u32 = 3;

/// What ends a process when we are gone, however we went.
#[derive(Clone, Debug)]
pub enum Tie {
    /// It reads its standard input, which is a pipe from us, and stops when that ends.
    Stdin,
    /// A watchdog stops it, which knows it by a word of its command line.
    Watchdog(String),
}

/// How a process is kept.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What people call it.
    pub name: &'static str,
    /// The file its output is appended to.
    pub log: PathBuf,
    /// What ends it when we are gone.
    pub tie: Tie,
    /// How it is stopped.
    pub stop: Escalation,
    /// How long a drop, which blocks its thread, waits after the first signal of `stop`. Zero: it kills at once.
    pub drop: Duration,
    /// The pause after which it is started again when it ended on its own; `None` leaves it dead.
    pub restart: Option<Duration>,
}

/// A process that was started. Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    plan: Plan,
    log_start: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    command: Command,
    running: Running,
    deaths: u32,
    /// Whether it ends because we want it to.
    stopping: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    // Dropped last: it must not see a living process lose its owner while we are stopping it.
    _watchdog: Option<Watchdog>,
}

impl Process {
    /// Starts a process, in a group of its own so that a terminal's Ctrl-C is kept from it: whoever started it stops
    /// everything in order. Fails when the program, its log or its watchdog cannot be had.
    pub fn start(mut command: Command, plan: Plan) -> anyhow::Result<Self> {
        let log = open_log(&plan.log).with_context(|| format!("opening {}", plan.log.display()))?;
        let log_start = log.metadata().map_or(0, |meta| meta.len());
        command.stdout(log.try_clone()?).stderr(log).process_group(0);
        let state = Arc::new(Mutex::new(State {
            running: Running::start(&mut command, &plan)?,
            command,
            deaths: 0,
            stopping: false,
        }));
        if let Some(pause) = plan.restart {
            let (state, plan) = (Arc::downgrade(&state), plan.clone());
            std::thread::spawn(move || while revive(&state, &plan, pause) {});
        }
        Ok(Self {
            plan,
            log_start,
            state,
        })
    }

    /// What people call it.
    pub fn name(&self) -> &'static str {
        self.plan.name
    }

    /// Its process id, which another start changes.
    pub fn pid(&self) -> u32 {
        locked(&self.state).running.child.id()
    }

    /// How it ended, or `None` while it runs.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        locked(&self.state).running.exit_status()
    }

    /// Waits until it has ended.
    pub async fn exited(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// An error when it has ended, or keeps ending, with the last lines of its log.
    pub fn ensure_running(&self) -> anyhow::Result<()> {
        let ended = match self.plan.restart {
            None => self.exit_status().map(|status| format!("ended ({status})")),
            Some(_) => (locked(&self.state).deaths >= TOO_MANY_DEATHS).then(|| "keeps ending".to_owned()),
        };
        match ended {
            None => Ok(()),
            Some(ended) => anyhow::bail!(
                "{} {ended} while starting: {}; the whole log is {}",
                self.plan.name,
                self.log_tail(),
                self.plan.log.display()
            ),
        }
    }

    /// Waits until the process is ready, as far as `look` can tell; an error when it ends first, or is not
    /// ready by the deadline.
    pub async fn ready<F, Fut>(&self, what: &str, deadline: Duration, look: F) -> anyhow::Result<()>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = anyhow::Result<Check<()>>>,
    {
        let look = &look;
        wait_until(what, deadline, || async move {
            self.ensure_running()?;
            look().await
        })
        .await
    }

    /// What it has written to the log since we started it, at most its last lines.
    pub fn log_tail(&self) -> String {
        tail(&self.plan.log, self.log_start).unwrap_or_else(|_| "its log cannot be read".to_owned())
    }

    /// Asks it to end, more and more firmly, and waits until it has. Fails when not even SIGKILL ends it.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.begin_stop();
        for (signal, patience) in self.plan.stop {
            self.signal(*signal);
            if tokio::time::timeout(*patience, self.exited()).await.is_ok() {
                return Ok(());
            }
            let (name, seconds) = (self.plan.name, patience.as_secs());
            eprintln!("smartcourse: {name} did not end within {seconds} s of {signal:?}");
        }
        self.signal(Signal::KILL);
        let ended = tokio::time::timeout(KILLED, self.exited()).await;
        ended.with_context(|| {
            let (name, pid) = (self.plan.name, self.pid());
            format!("{name} (process {pid}) does not end, not even by SIGKILL")
        })?;
        Ok(())
    }

    /// Kills it and waits until it is gone, which blocks.
    pub fn kill(&self) {
        self.begin_stop();
        self.signal(Signal::KILL);
        // What cannot be waited for has been waited for.
        drop(locked(&self.state).running.child.wait());
    }

    fn begin_stop(&self) {
        locked(&self.state).stopping = true;
    }

    /// Signals it if it still runs. Until it is reaped, which only we do, its id cannot belong to another.
    pub fn signal(&self, signal: Signal) {
        let running = &mut locked(&self.state).running;
        let pid = Pid::from_raw(running.child.id().cast_signed());
        if let (None, Some(pid)) = (running.exit_status(), pid) {
            let _gone = kill_process(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.begin_stop();
        if let Some((signal, _)) = self.plan.stop.first().filter(|_| !self.plan.drop.is_zero()) {
            self.signal(*signal);
        }
        let started = Instant::now();
        while self.exit_status().is_none() {
            if started.elapsed() >= self.plan.drop {
                return self.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Running {
    fn start(command: &mut Command, plan: &Plan) -> anyhow::Result<Self> {
        let stdin = match plan.tie {
            Tie::Stdin => Stdio::piped(),
            Tie::Watchdog(_) => Stdio::null(),
        };
        let child = command.stdin(stdin).spawn();
        let mut child = child.with_context(|| {
            let program = command.get_program().to_string_lossy();
            format!("starting {} ({program})", plan.name)
        })?;
        let watchdog = match &plan.tie {
            Tie::Stdin => None,
            Tie::Watchdog(marker) => match Watchdog::start(child.id(), marker) {
                Ok(watchdog) => Some(watchdog),
                Err(error) => {
                    let killed = child.kill().and_then(|()| child.wait());
                    killed.context("stopping a process that cannot be watched")?;
                    return Err(error)
                        .with_context(|| format!("starting the watchdog of {} (/bin/sh)", plan.name));
                }
            },
        };
        Ok(Self {
            child,
            _watchdog: watchdog,
        })
    }

    fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// After a pause, starts the process again if it has ended on its own; whether there is still one to look after.
fn revive(state: &Weak<Mutex<State>>, plan: &Plan, pause: Duration) -> bool {
    std::thread::sleep(pause);
    let Some(state) = state.upgrade() else {
        return false;
    };
    let mut state = locked(&state);
    let State {
        command,
        running,
        deaths,
        stopping,
    } = &mut *state;
    if !*stopping && let Some(status) = running.exit_status() {
        let name = plan.name;
        eprintln!("smartcourse: {name} ended ({status}); starting it again");
        *deaths += 1;
        match Running::start(command, plan) {
            Ok(again) => *running = again,
            Err(error) => eprintln!("smartcourse: {error:#}"),
        }
    }
    !*stopping
}

/// A poisoned lock still guards a process that has to be stopped.
fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a program to its end with `input` as its standard input; it is killed when the future is dropped.
pub(crate) async fn run(command: Command, input: &str) -> io::Result<Output> {
    let mut child = tokio::process::Command::from(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    child.wait_with_output().await
}

/// Opens a log for appending, putting an overgrown one aside.
fn open_log(path: &Path) -> io::Result<File> {
    const LIMIT: u64 = 16 * 1024 * 1024;
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() > LIMIT) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// The last lines of the file from `start` on, joined.
fn tail(log: &Path, start: u64) -> io::Result<String> {
    const BYTES: u64 = 4096;
    let mut file = File::open(log)?;
    let end = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(end.saturating_sub(BYTES))))?;
    let mut bytes = Vec::new();
    file.take(BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    Ok(lines[lines.len().saturating_sub(6)..].join(" / "))
}
