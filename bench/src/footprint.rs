//! Memory, start times and the size of the executable.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use smartcourse_tests::{
    Stack,
    measure::{
        proc::{self, Process},
        table::{Table, seconds},
    },
};

use crate::note;

/// How long the system is left alone before its memory is read.
const REST: Duration = Duration::from_secs(15);
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(30);

/// Starts a system in a fresh data directory twice, on the servers of the environment if it names some, and looks at the processes
/// of all.
///
/// # Errors
/// When it does not start.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let directory = tempfile::Builder::new()
        .prefix("footprint-")
        .rand_bytes(8)
        .tempdir()?;
    let stack = Stack::named()?;
    let servers = match &stack {
        Some(stack) => {
            let name = directory.path().file_name().context("a directory has a name")?;
            stack.corner(&name.to_string_lossy().to_lowercase()).await?
        }
        None => BTreeMap::new(),
    };
    let executable = executable.to_owned();
    let both = move || both(&executable, directory.path(), &servers, stack.as_ref());
    tokio::task::spawn_blocking(both).await?
}

fn both(
    executable: &Path,
    directory: &Path,
    servers: &BTreeMap<String, String>,
    stack: Option<&Stack>,
) -> Result<String> {
    note("a first start in an empty data directory");
    let (up, cold) = Up::start(executable, directory, servers)?;
    std::thread::sleep(REST);
    let memory = memory(directory, stack)?;
    up.stop()?;
    note("a second start");
    let (up, warm) = Up::start(executable, directory, servers)?;
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
    fn start(
        executable: &Path,
        directory: &Path,
        servers: &BTreeMap<String, String>,
    ) -> Result<(Self, Duration)> {
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
            .envs(servers)
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

/// How much some processes have.
#[derive(Clone, Copy, Default)]
struct Memory {
    processes: usize,
    resident_kib: u64,
    proportional_kib: u64,
}

impl Memory {
    fn of(all: &BTreeMap<u32, Process>, ids: &BTreeSet<u32>) -> Self {
        let found = ids.iter().filter_map(|id| Some((*id, all.get(id)?)));
        found.fold(Self::default(), |sum, (id, process)| {
            sum.and(Self {
                processes: 1,
                resident_kib: process.rss_kib,
                proportional_kib: proc::proportional_kib(id, process),
            })
        })
    }

    fn and(self, other: Self) -> Self {
        Self {
            processes: self.processes + other.processes,
            resident_kib: self.resident_kib + other.resident_kib,
            proportional_kib: self.proportional_kib + other.proportional_kib,
        }
    }

    fn row(self, name: &str) -> [String; 4] {
        [
            name.to_owned(),
            self.processes.to_string(),
            (self.resident_kib / 1024).to_string(),
            (self.proportional_kib / 1024).to_string(),
        ]
    }
}

/// Memory of each role, engine and server with everything below it, and of all together.
fn memory(directory: &Path, stack: Option<&Stack>) -> Result<String> {
    let endpoints: Value = serde_json::from_slice(&std::fs::read(directory.join("endpoints.json"))?)?;
    let pids: BTreeMap<String, u32> = serde_json::from_value(endpoints["pids"].clone())?;
    let all = proc::all();
    let mut table = Table::new(&["", "processes", "resident MiB", "proportional MiB"]);
    let mut totals: BTreeMap<&str, Memory> = BTreeMap::new();
    let mut add = |name, memory| {
        let total = totals.entry(name).or_default();
        *total = total.and(memory);
    };
    for (name, pid) in &pids {
        // Everything is below the supervisor: it counts alone.
        let ids = if name == "smartcourse" {
            [*pid].into()
        } else {
            proc::tree(&all, *pid)
        };
        let memory = Memory::of(&all, &ids);
        let group = match name.as_str() {
            "postgres" => "PostgreSQL",
            "temporal" => "Temporal",
            _ => "SmartCourse",
        };
        add(group, memory);
        if group == "SmartCourse" {
            let shown = if name == "smartcourse" { "supervisor" } else { name };
            table.row(memory.row(&format!("SmartCourse, {shown}")));
        }
    }
    for (name, pids) in stack.iter().flat_map(|stack| stack.pids()) {
        let ids = pids.iter().flat_map(|pid| proc::tree(&all, *pid)).collect();
        let memory = Memory::of(&all, &ids);
        ensure!(memory.processes > 0, "{name} does not run");
        add(name, memory);
    }
    let everything = totals.values().copied().fold(Memory::default(), Memory::and);
    for (name, memory) in totals {
        table.row(memory.row(&format!("**{name}**")));
    }
    table.row(everything.row("**all**"));
    Ok(table.finish())
}
