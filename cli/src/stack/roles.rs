//! The roles as processes of their own, started again when they die.

use std::{io::Read as _, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use smartcourse_launcher::{DataDir, Plan, Process, Signal, Tie};
use smartcourse_platform::lifecycle::{GRACE, Lifecycle};

use super::settings::Settings;

/// Set for the roles of a supervisor: their standard input ends with it, and so do they.
pub(crate) const SUPERVISED: &str = "SMARTCOURSE_SUPERVISED";

/// The roles. All are asked to stop at once: each finishes what it has begun.
const ROLES: [&str; 4] = ["serve", "relay", "worker", "tasks"];
/// Pause before a dead role is started again.
const RESTART: Duration = Duration::from_millis(300);

/// Starts the roles; each is started again when it dies.
pub(super) fn start(settings: &Settings, data_dir: &DataDir) -> Result<Vec<Process>> {
    let program = std::env::current_exe().context("the path of this executable is unknown")?;
    let start = |name| {
        let mut command = Command::new(&program);
        if let Some(file) = &settings.config_file {
            command.arg("--config").arg(file);
        }
        command.arg(name).envs(&settings.variables).env(SUPERVISED, "1");
        let plan = Plan {
            name,
            log: data_dir.log(name),
            tie: Tie::Stdin,
            stop: &[(Signal::TERM, GRACE)],
            drop: Duration::ZERO,
            restart: Some(RESTART),
        };
        Process::start(command, plan)
    };
    ROLES.into_iter().map(start).collect()
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
