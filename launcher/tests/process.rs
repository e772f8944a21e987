//! Processes of a shell: started, tied, started again, stopped.

#![expect(clippy::unwrap_used, reason = "the helpers of tests may panic like tests")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use smartcourse_launcher::{Check, Escalation, Plan, Process, Signal, Tie, wait_until};

const PATIENCE: Duration = Duration::from_secs(10);

fn plan(dir: &Path) -> Plan {
    Plan {
        name: "test",
        log: dir.join("test.log"),
        tie: Tie::Stdin,
        stop: &[(Signal::TERM, PATIENCE)],
        drop: Duration::ZERO,
        restart: None,
    }
}

fn start(script: &str, plan: Plan) -> Process {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", script]);
    Process::start(shell, plan).unwrap()
}

/// Waits until the log has a text.
async fn said(dir: &Path, text: &str) {
    let log = dir.join("test.log");
    let look = || async {
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Ok(match said.contains(text) {
            true => Check::Ready(()),
            false => Check::NotYet(said),
        })
    };
    wait_until("a text in the log", PATIENCE, look).await.unwrap();
}

#[tokio::test]
async fn one_that_ends_while_it_starts_is_told_with_its_last_words() {
    let temp = tempfile::tempdir().unwrap();
    let process = start("echo no such thing >&2; exit 3", plan(temp.path()));
    let never = || async { Ok(Check::NotYet("silence".to_owned())) };
    let error = process.ready("readiness", PATIENCE, never).await.unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("exit status: 3") && error.contains("no such thing"),
        "{error}"
    );
}

#[tokio::test]
async fn one_that_ends_is_started_again_until_it_is_stopped_and_too_many_deaths_are_told() {
    let temp = tempfile::tempdir().unwrap();
    let restart = Some(Duration::from_millis(10));
    let process = start(
        "echo again",
        Plan {
            restart,
            ..plan(temp.path())
        },
    );
    said(temp.path(), "again\nagain\nagain\nagain\n").await;
    let error = process.ensure_running().unwrap_err().to_string();
    assert!(error.contains("keeps ending"), "{error}");
    process.stop().await.unwrap();
    assert!(process.exit_status().is_some());
}

/// What one that does not heed signals is given.
const DEAF: Escalation = &[(Signal::TERM, Duration::from_millis(50))];

#[tokio::test]
async fn one_that_does_not_heed_a_signal_is_killed() {
    let temp = tempfile::tempdir().unwrap();
    let deaf = "trap '' TERM; echo ready; while :; do read -r line; done";
    let process = start(
        deaf,
        Plan {
            stop: DEAF,
            ..plan(temp.path())
        },
    );
    said(temp.path(), "ready").await;
    process.stop().await.unwrap();
    let status = process.exit_status().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
}

#[tokio::test]
async fn a_drop_lets_one_finish_within_its_patience() {
    let temp = tempfile::tempdir().unwrap();
    let gentle = "trap 'echo finished; exit' TERM; echo ready; while :; do read -r line; done";
    let process = start(
        gentle,
        Plan {
            drop: PATIENCE,
            ..plan(temp.path())
        },
    );
    said(temp.path(), "ready").await;
    drop(process);
    said(temp.path(), "finished").await;
}
