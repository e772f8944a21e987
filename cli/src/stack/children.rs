//! The roles as processes of their own, started again when they die.

use std::{
    fs::File,
    io::Read as _,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use smartcourse_launcher::DataDir;
use smartcourse_platform::lifecycle::{GRACE, Lifecycle};

use super::settings::Settings;

/// Set for the roles of a supervisor: their standard input ends with it, and so do they.
pub(crate) const SUPERVISED: &str = "SMARTCOURSE_SUPERVISED";

/// The roles. All are asked to stop at once: each finishes what it has begun.
pub(super) const ROLES: [&str; 4] = ["serve", "relay", "worker", "tasks"];
/// Pause before a dead role is started again.
const RESTART: Duration = Duration::from_millis(300);
/// Deaths during start-up after which the start has failed.
const MAX_EARLY_DEATHS: u32 = 3;

struct Role {
    name: &'static str,
    child: Child,
    deaths: u32,
}

/// The running roles.
pub(super) struct Children {
    roles: Arc<Mutex<Vec<Role>>>,
    stopping: Arc<AtomicBool>,
    logs: PathBuf,
}

impl Children {
    /// Starts the roles and watches them.
    pub(super) fn start(settings: &Settings, data_dir: &DataDir) -> Result<Self> {
        let logs = data_dir.logs();
        let program = std::env::current_exe().context("the path of this executable is unknown")?;
        let spawn = {
            let (variables, config_file, logs) = (
                settings.variables.clone(),
                settings.config_file.clone(),
                logs.clone(),
            );
            move |name: &str| -> Result<Child> {
                let log = File::options()
                    .create(true)
                    .append(true)
                    .open(logs.join(format!("{name}.log")))?;
                let mut command = Command::new(&program);
                if let Some(file) = &config_file {
                    command.arg("--config").arg(file);
                }
                command
                    .arg(name)
                    .envs(&variables)
                    .env(SUPERVISED, "1")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::null())
                    .stderr(log)
                    // A terminal's Ctrl-C is for the supervisor, which stops the roles in order.
                    .process_group(0)
                    .spawn()
                    .with_context(|| format!("cannot start the {name} role"))
            }
        };
        let mut roles = Vec::new();
        for name in ROLES {
            roles.push(Role {
                name,
                child: spawn(name)?,
                deaths: 0,
            });
        }
        let children = Self {
            roles: Arc::new(Mutex::new(roles)),
            stopping: Arc::default(),
            logs,
        };
        children.watch(spawn);
        Ok(children)
    }

    /// Starts dead roles again until the system stops.
    fn watch(&self, spawn: impl Fn(&str) -> Result<Child> + Send + 'static) {
        let (roles, stopping) = (Arc::clone(&self.roles), Arc::clone(&self.stopping));
        std::thread::spawn(move || {
            while !stopping.load(Ordering::SeqCst) {
                std::thread::sleep(RESTART);
                let mut roles = locked(&roles);
                if stopping.load(Ordering::SeqCst) {
                    return;
                }
                for role in roles.iter_mut() {
                    let Ok(Some(status)) = role.child.try_wait() else {
                        continue;
                    };
                    eprintln!(
                        "smartcourse: the {} role ended ({status}); starting it again",
                        role.name
                    );
                    role.deaths += 1;
                    match spawn(role.name) {
                        Ok(child) => role.child = child,
                        Err(error) => eprintln!("smartcourse: {error:#}"),
                    }
                }
            }
        });
    }

    /// An error when a role keeps dying.
    pub(super) fn check(&self) -> Result<()> {
        match locked(&self.roles)
            .iter()
            .find(|role| role.deaths >= MAX_EARLY_DEATHS)
        {
            None => Ok(()),
            Some(role) => {
                let log = self.logs.join(format!("{}.log", role.name));
                anyhow::bail!(
                    "the {} role keeps ending; its last words in {}: {}",
                    role.name,
                    log.display(),
                    last_line(&log)
                )
            }
        }
    }

    /// Names and process ids.
    pub(super) fn pids(&self) -> Vec<(&'static str, u32)> {
        locked(&self.roles)
            .iter()
            .map(|role| (role.name, role.child.id()))
            .collect()
    }

    /// Asks every role to finish and waits; what does not is killed.
    pub(super) async fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for (_, pid) in self.pids() {
            signal(pid, Signal::TERM);
        }
        let deadline = tokio::time::Instant::now() + GRACE;
        loop {
            let running = locked(&self.roles)
                .iter_mut()
                .any(|role| matches!(role.child.try_wait(), Ok(None)));
            if !running {
                return;
            }
            if tokio::time::Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        eprintln!(
            "smartcourse: a role did not finish in {} s and is killed",
            GRACE.as_secs()
        );
        self.kill();
    }

    fn kill(&self) {
        for role in locked(&self.roles).iter_mut() {
            if role.child.kill().is_ok() && role.child.wait().is_err() {
                eprintln!("smartcourse: the {} role could not be waited for", role.name);
            }
        }
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.kill();
    }
}

/// The last line of a log; empty when there is none.
fn last_line(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().last().unwrap_or_default().to_owned()
}

/// A poisoned lock still guards a list of processes that have to be stopped.
fn locked(roles: &Mutex<Vec<Role>>) -> MutexGuard<'_, Vec<Role>> {
    roles.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw)
        && let Err(error) = kill_process(pid, signal)
    {
        tracing::debug!(?pid, %error, "the process is gone already");
    }
}

/// Stops this role when its supervisor is gone, however it died: the pipe to standard input closes.
pub(crate) fn stop_with_parent(life: &Lifecycle) {
    let life = life.clone();
    std::thread::spawn(move || {
        let mut nothing = [0_u8; 64];
        while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
        life.stop();
    });
}
