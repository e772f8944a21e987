//! Processes left over from an owner that was killed together with its watchdog.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use super::Escalation;
use crate::wait::{Check, wait_until};

/// Whether process `pid` is alive and has `marker` in its command line. Process ids are reused, so the id alone does
/// not tell; a zombie has no command line and counts as gone.
fn is_ours(pid: u32, marker: &str) -> bool {
    let line = if Path::new("/proc/self/cmdline").exists() {
        std::fs::read(format!("/proc/{pid}/cmdline"))
    } else {
        let ps = Command::new("ps")
            .args(["-o", "command=", "-p", &pid.to_string()])
            .output();
        ps.map(|output| output.stdout)
    };
    line.is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(marker))
}

/// Stops the process `pid` if it is the one that is meant, with SIGKILL as the last resort.
pub(crate) async fn stop(name: &str, pid: u32, marker: &str, escalation: Escalation) -> anyhow::Result<()> {
    if !is_ours(pid, marker) {
        return Ok(());
    }
    tracing::info!(process = name, pid, "stopping what a killed run left behind");
    let last = [(Signal::KILL, Duration::from_secs(10))];
    let mut outcome = Ok(());
    for (signal, patience) in escalation.iter().chain(&last) {
        if let Some(pid) = Pid::from_raw(pid.cast_signed()) {
            // It may have ended on its own since; then the wait sees that.
            let _gone = kill_process(pid, *signal);
        }
        let check = || async {
            Ok(match is_ours(pid, marker) {
                true => Check::NotYet(format!("process {pid} is alive")),
                false => Check::Ready(()),
            })
        };
        outcome = wait_until(&format!("the end of a left-over {name}"), *patience, check).await;
        if outcome.is_ok() {
            return Ok(());
        }
    }
    outcome.with_context(|| format!("a {name} of an earlier run cannot be stopped; end it by hand"))
}

/// Notes a process and a word of its command line, for [`stop_noted`].
pub(crate) fn note(file: &Path, pid: u32, marker: &str) -> anyhow::Result<()> {
    std::fs::write(file, format!("{pid} {marker}")).with_context(|| format!("writing {}", file.display()))
}

/// Stops the process that was noted, if it is still the one that is meant.
pub(crate) async fn stop_noted(name: &str, file: &Path, escalation: Escalation) -> anyhow::Result<()> {
    let noted = std::fs::read_to_string(file).unwrap_or_default();
    match noted.split_once(' ').map(|(pid, marker)| (pid.parse(), marker)) {
        Some((Ok(pid), marker)) => stop(name, pid, marker, escalation).await,
        _ => Ok(()),
    }
}
