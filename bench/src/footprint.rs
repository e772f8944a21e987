//! Memory, start times and the size of the executable.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    note, proc,
    table::{Table, seconds},
};

/// How long the system is left alone before its memory is read.
const REST: Duration = Duration::from_secs(15);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);

/// Starts a system in a fresh data directory twice and looks at its processes.
///
/// # Errors
/// When it does not start.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let executable = executable.to_owned();
    tokio::task::spawn_blocking(move || both(&executable, directory.path())).await?
}

fn both(executable: &Path, directory: &Path) -> Result<String> {
    note("a first start in an empty data directory");
    let (up, cold) = Up::start(executable, directory)?;
    std::thread::sleep(REST);
    let memory = memory(directory)?;
    up.stop()?;
    note("a second start");
    let (up, warm) = Up::start(executable, directory)?;
    up.stop()?;
    let mut starts = Table::new(&["", "until ready"]);
    starts.row([
        "first start, empty data directory, tools installed".to_owned(),
        seconds(cold),
    ]);
    starts.row(["second start on the same data".to_owned(), seconds(warm)]);
    let size = std::fs::metadata(executable)?.len() / (1024 * 1024);
    let profile = if cfg!(debug_assertions) {
        "dev profile, with line tables"
    } else {
        "release profile"
    };
    Ok(format!(
        "## Footprint\n\nIdle for {} s after a first start; proportional memory counts a shared page once.\n\n{memory}\n{}\n\
         Executable: {size} MiB ({profile}).\n",
        REST.as_secs(),
        starts.finish()
    ))
}

/// A running system; dropping it kills the supervisor, after which everything it started ends.
struct Up(Child);

impl Up {
    /// Starts it; the time until it says that it is ready.
    fn start(executable: &Path, directory: &Path) -> Result<(Self, Duration)> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(directory.join("bench-up.log"))?;
        let start = Instant::now();
        let child = Command::new(executable)
            .args(["up", "--port", "0", "--data-dir"])
            .arg(directory)
            .env_remove("DATABASE_URL")
            .env_remove("TEMPORAL_ADDRESS")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("cannot start the system")?;
        let mut up = Self(child);
        let out = up.0.stdout.take().context("the output of the system")?;
        let ready = BufReader::new(out)
            .lines()
            .map_while(Result::ok)
            .any(|line| line.starts_with("ready "));
        let told = || std::fs::read_to_string(directory.join("bench-up.log")).unwrap_or_default();
        ensure!(ready, "the system did not start:\n{}", told());
        Ok((up, start.elapsed()))
    }

    fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.0.id())
            .ok()
            .and_then(Pid::from_raw)
            .context("a process id")?;
        kill_process(pid, Signal::TERM)?;
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.0.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        anyhow::bail!("the system did not stop within {STOP:?}")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // A process that is gone already is what was wanted.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Memory of each role and engine with everything below it.
fn memory(directory: &Path) -> Result<String> {
    let endpoints: Value = serde_json::from_slice(&std::fs::read(directory.join("endpoints.json"))?)?;
    let pids: BTreeMap<String, u32> = serde_json::from_value(endpoints["pids"].clone())?;
    let all = proc::all();
    let mut table = Table::new(&["", "processes", "resident MiB", "proportional MiB"]);
    let mut totals: BTreeMap<&str, (usize, u64, u64)> = BTreeMap::new();
    for (name, pid) in &pids {
        // Everything is below the supervisor: it counts alone.
        let ids = if name == "smartcourse" {
            [*pid].into()
        } else {
            proc::tree(&all, *pid)
        };
        let found: Vec<_> = ids.iter().filter_map(|id| Some((*id, all.get(id)?))).collect();
        let resident: u64 = found.iter().map(|(_, process)| process.rss_kib).sum();
        let proportional: u64 = found
            .iter()
            .map(|(id, process)| proc::proportional_kib(*id, process))
            .sum();
        let group = match name.as_str() {
            "postgres" => "PostgreSQL",
            "temporal" => "Temporal",
            _ => "SmartCourse",
        };
        let total = totals.entry(group).or_default();
        *total = (total.0 + found.len(), total.1 + resident, total.2 + proportional);
        if group == "SmartCourse" {
            let shown = if name == "smartcourse" { "supervisor" } else { name };
            table.row(cells(
                &format!("SmartCourse, {shown}"),
                found.len(),
                resident,
                proportional,
            ));
        }
    }
    for (name, (count, resident, proportional)) in totals {
        table.row(cells(&format!("**{name}**"), count, resident, proportional));
    }
    Ok(table.finish())
}

fn cells(name: &str, count: usize, resident: u64, proportional: u64) -> [String; 4] {
    [
        name.to_owned(),
        count.to_string(),
        (resident / 1024).to_string(),
        (proportional / 1024).to_string(),
    ]
}
