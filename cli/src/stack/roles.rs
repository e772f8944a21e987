//! The roles as processes of their own, started again when they die.

use std::{io::Read as _, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use smartcourse_launcher::{Claim, DataDir, Plan, Process, Signal, Tie};
use smartcourse_platform::{
    config,
    lifecycle::{GRACE, Lifecycle},
};

use super::settings::{ROLES, Settings};

/// Set for the roles of a supervisor to the file each claims: their standard input ends with it, and so do they.
pub(crate) const SUPERVISED: &str = "SMARTCOURSE_SUPERVISED";

/// Pause before a dead role is started again.
const RESTART: Duration = Duration::from_millis(300);

/// Starts the roles, after those of an earlier run have ended; each is started again when it dies.
pub(super) async fn start(settings: &Settings, data_dir: &DataDir) -> Result<Vec<Process>> {
    let program = std::env::current_exe().context("the path of this executable is unknown")?;
    end_earlier(&ROLES, data_dir).await?;
    let start = |name| {
        let mut command = Command::new(&program);
        if let Some(file) = &settings.config_file {
            command.arg("--config").arg(file);
        }
        // What is set here is set instead of a file of the environment.
        for variable in settings.variables.keys() {
            command.env_remove(config::in_a_file(variable));
        }
        command
            .arg(name)
            .envs(&settings.variables)
            .env("SMARTCOURSE_TELEMETRY__METRICS_LISTEN", &settings.metrics[name]);
        start_one(command, name, data_dir)
    };
    ROLES.into_iter().map(start).collect()
}

/// Ends the roles of an earlier run. Their supervisor is gone, so they end by themselves: all but one that is frozen.
pub(crate) async fn end_earlier(roles: &[&str], data_dir: &DataDir) -> Result<()> {
    let earlier = roles
        .iter()
        .map(|role| async move { Claim::end_holder(&data_dir.role_lock(role), role, GRACE).await });
    try_join_all(earlier).await.map(drop)
}

/// Starts a role, which ends with this process and is started again when it dies.
pub(crate) fn start_one(mut command: Command, name: &'static str, data_dir: &DataDir) -> Result<Process> {
    command.env(SUPERVISED, data_dir.role_lock(name));
    let plan = Plan {
        name,
        log: data_dir.log(name),
        tie: Tie::Stdin,
        stop: &[(Signal::TERM, GRACE)],
        drop: Duration::ZERO,
        restart: Some(RESTART),
    };
    Process::start(command, plan)
}

/// Claims this role for its supervisor, and stops it when that is gone, however it died: the pipe to standard input closes.
/// Fails when another process has the role.
pub(crate) fn stop_with_parent(life: &Lifecycle, lock: &Path) -> Result<()> {
    let taken = Claim::take(lock).with_context(|| format!("cannot lock {}", lock.display()))?;
    let claim =
        taken.map_err(|holder| anyhow::anyhow!("process {} has this role", holder.0.unwrap_or_default()))?;
    // Until the process ends.
    std::mem::forget(claim);
    let life = life.clone();
    std::thread::spawn(move || {
        let mut nothing = [0_u8; 64];
        while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
        life.stop();
    });
    Ok(())
}
