//! The topology of `docker-compose.yml` without containers, on real servers.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Command,
    time::timeout,
};

use crate::{executable, root};

/// Building those servers that are not there takes minutes.
const INSTALLED: Duration = Duration::from_secs(1800);
const STORY: Duration = Duration::from_secs(300);
const END: Duration = Duration::from_secs(60);

fn smartcourse(args: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command.args(args).current_dir(root()).kill_on_drop(true);
    command
}

/// The whole story goes well with a process for each service.
#[tokio::test]
#[ignore = "needs real servers"]
async fn the_demo_goes_well_on_the_same_without_containers() -> Result<()> {
    let servers = std::env::var_os("SMARTCOURSE_TEST_STACK").map(PathBuf::from);
    let servers = servers.unwrap_or_else(|| root().join("target/stack"));
    let servers = servers.to_str().context("the directory of the servers")?;
    let mut stack = smartcourse(&["stack", "up", "--like", "compose", "--data-dir", servers])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(stack.stdout.take().context("its output")?).lines();
    let mut told = Vec::new();
    let gateway = timeout(INSTALLED, async {
        while let Some(line) = lines.next_line().await? {
            if let Some(gateway) = line.strip_prefix("ready ") {
                return Ok(gateway.to_owned());
            }
            told.push(line);
        }
        anyhow::bail!("it ended")
    })
    .await
    .map_err(anyhow::Error::from)
    .flatten()
    .with_context(|| told.join("\n"))?;
    let told = told.join("\n");
    for (name, stands) in [
        ("mongodb", "FerretDB"),
        ("qdrant", "PostgreSQL"),
        ("grafana", "nothing"),
    ] {
        let line = told.lines().find(|line| line.trim_start().starts_with(name));
        ensure!(line.is_some_and(|line| line.contains(stands)), "{name}: {told}");
    }
    let memory = tempfile::tempdir()?;
    let memory = memory.path().to_str().context("a directory")?;
    let story = smartcourse(&["demo", "--gateway", &gateway, "--data-dir", memory]).output();
    let story = timeout(STORY, story).await??;
    let words = [story.stdout, story.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    ensure!(story.status.success(), "{words}");
    ensure!(words.contains("holds certificate"), "{words}");
    let pid = stack
        .id()
        .and_then(|id| Pid::from_raw(id.cast_signed()))
        .context("it runs")?;
    kill_process(pid, Signal::TERM)?;
    let ended = timeout(END, stack.wait()).await??;
    ensure!(ended.success(), "it ended with {ended}");
    Ok(())
}
