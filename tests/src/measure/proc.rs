//! Processes of this machine as `/proc` tells of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Unit of the times in `/proc`: USER_HZ, which is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);
const PAGE_KIB: u64 = 4;

/// A process at the time of the look.
#[derive(Debug, Clone)]
pub struct Process {
    parent: u32,
    /// Processor time of its own.
    own: Duration,
    /// The same of children that have ended.
    ended: Duration,
    /// Resident memory in KiB; pages shared with others count in each.
    pub rss_kib: u64,
}

/// All processes by id.
pub fn all() -> BTreeMap<u32, Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        Some((
            id,
            parse(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?,
        ))
    })
    .collect()
}

/// Reads a line of `/proc/ID/stat`: the name in brackets may hold blanks, so the fields count from its end.
fn parse(stat: &str) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = |index: usize| Some(TICK * u32::try_from(number(index)?).ok()?);
    Some(Process {
        parent: u32::try_from(number(1)?).ok()?,
        own: ticks(11)? + ticks(12)?,
        ended: ticks(13)? + ticks(14)?,
        rss_kib: number(21)? * PAGE_KIB,
    })
}

/// A process and everything below it.
pub fn tree(all: &BTreeMap<u32, Process>, root: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([root]);
    loop {
        let more: Vec<u32> = all
            .iter()
            .filter(|(id, process)| found.contains(&process.parent) && !found.contains(id))
            .map(|(id, _)| *id)
            .collect();
        if more.is_empty() {
            return found;
        }
        found.extend(more);
    }
}

/// Memory of a process in KiB with shared pages divided among those that share them; resident memory when the kernel
/// does not tell.
pub fn proportional_kib(id: u32, process: &Process) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok())
        .unwrap_or(process.rss_kib)
}

/// Processor time of this process and everything it started, ended or not.
pub fn own_time() -> Duration {
    let all = all();
    let ids = tree(&all, std::process::id());
    ids.iter()
        .filter_map(|id| all.get(id))
        .map(|process| process.own + process.ended)
        .sum()
}

/// Processor time of this process alone.
pub fn own_time_alone() -> Duration {
    all()
        .get(&std::process::id())
        .map(|process| process.own)
        .unwrap_or_default()
}

/// Processor time of the processes below this one that are a program of this name or were started with this argument.
pub fn time_of(name: &str) -> Duration {
    let all = all();
    let ids = tree(&all, std::process::id());
    let named = |id: &&u32| {
        is_named(
            &std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default(),
            name,
        )
    };
    ids.iter()
        .filter(named)
        .filter_map(|id| all.get(id))
        .map(|process| process.own + process.ended)
        .sum()
}

/// Processor time that some programs spend from when this is made, each by its name; without one, this process alone.
#[derive(Debug)]
pub struct Clocks<const N: usize> {
    programs: [Option<&'static str>; N],
    before: [Duration; N],
}

impl<const N: usize> Clocks<N> {
    /// From now on.
    pub fn start(programs: [Option<&'static str>; N]) -> Self {
        Self {
            programs,
            before: Self::now(programs),
        }
    }

    /// What they have spent so far.
    pub fn spent(&self) -> [Duration; N] {
        let mut spent = Self::now(self.programs);
        for (now, before) in spent.iter_mut().zip(self.before) {
            *now = now.saturating_sub(before);
        }
        spent
    }

    fn now(programs: [Option<&'static str>; N]) -> [Duration; N] {
        programs.map(|program| program.map_or_else(own_time_alone, time_of))
    }
}

/// PostgreSQL's processes have no arguments but call themselves `postgres: …`.
fn is_named(command: &str, name: &str) -> bool {
    let mut arguments = command.split('\0');
    let program = arguments.next().unwrap_or_default();
    program.rsplit('/').next() == Some(name)
        || program.split_once(':').is_some_and(|(title, _)| title == name)
        || arguments.any(|argument| argument == name)
}

/// Processor time spent on the whole machine, by anybody.
pub fn busy_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    // user nice system idle iowait irq softirq: all but the two that are waiting.
    let ticks = line
        .split_whitespace()
        .skip(1)
        .take(7)
        .enumerate()
        .filter(|(index, _)| !matches!(index, 3 | 4));
    let busy: u64 = ticks.filter_map(|(_, value)| value.parse::<u64>().ok()).sum();
    Duration::from_millis(busy * 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_found_with_its_memory() {
        let all = all();
        let own = all.get(&std::process::id()).expect("this process");
        assert!(own.rss_kib > 100 && proportional_kib(std::process::id(), own) > 100);
        assert!(tree(&all, own.parent).contains(&std::process::id()));
    }

    #[test]
    fn processes_are_known_by_program_title_or_argument() {
        assert!(
            is_named("/usr/bin/postgres\0-D\0x", "postgres") && is_named("postgres: walwriter ", "postgres")
        );
        assert!(is_named("/x/smartcourse\0serve\0", "serve") && !is_named("/x/temporal\0server\0", "serve"));
    }

    #[test]
    fn a_name_with_blanks_and_brackets_is_read() {
        let stat = "12 (a) b) S 7 1 1 0 -1 0 0 0 0 0 3 4 5 6 20 0 1 0 100 1000 250 0";
        let process = parse(stat).expect("a process");
        assert_eq!(
            (process.parent, process.own, process.ended),
            (7, TICK * 7, TICK * 11)
        );
        assert_eq!(process.rss_kib, 1000);
    }
}
