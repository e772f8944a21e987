//! The machine, and who else uses it meanwhile.

use std::time::{Duration, Instant};

use super::proc;

/// Processor, cores, memory, system and build profile.
pub fn describe() -> String {
    let line = |path: &str, key: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or("unknown");
        found
            .trim_start_matches([' ', '\t', ':', '='])
            .trim_matches('"')
            .to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let memory: u64 = line("/proc/meminfo", "MemTotal:")
        .trim_end_matches(" kB")
        .parse()
        .unwrap_or(0);
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    format!(
        "- Processor: {}, {cores} cores\n- Memory: {} MiB\n- System: {}, Linux {}\n- Profile: {profile}\n",
        line("/proc/cpuinfo", "model name"),
        memory / 1024,
        line("/etc/os-release", "PRETTY_NAME"),
        line("/proc/sys/kernel/osrelease", ""),
    )
}

/// A reading of the clocks, to tell later what happened since.
pub struct Since {
    start: Instant,
    busy: Duration,
    own: Duration,
}

/// What happened since a reading.
pub struct Spent {
    /// Time on the wall.
    pub wall: Duration,
    /// Processor time of this measurement: the command, the servers and the roles.
    pub own: Duration,
    /// Cores that other programs kept busy, on average.
    pub others: f64,
}

impl Since {
    /// Now.
    pub fn now() -> Self {
        Self {
            start: Instant::now(),
            busy: proc::busy_time(),
            own: proc::own_time(),
        }
    }

    /// Until now.
    pub fn spent(&self) -> Spent {
        let wall = self.start.elapsed();
        let own = proc::own_time().saturating_sub(self.own);
        let others = proc::busy_time().saturating_sub(self.busy).saturating_sub(own);
        Spent {
            wall,
            own,
            others: others.as_secs_f64() / wall.as_secs_f64().max(1e-9),
        }
    }
}
