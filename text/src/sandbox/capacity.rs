//! How many children may run at once.

use std::path::Path;

/// Children for each processor at most. With two, a child that uses all its processor time still ends within its
/// wall time, which is twice as long.
const PER_PROCESSOR: usize = 2;

/// How many children of `address_space` bytes each the memory that is available now has room for: at least one.
pub(super) fn children(address_space: u64) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let free = memory(&read("/proc/meminfo"), &read("/proc/self/cgroup"), |file| {
        std::fs::read_to_string(file).ok()
    });
    // A machine that does not say how much it has is taken at its number of processors.
    let fitting = free.map_or(processors, |free| {
        usize::try_from(free / address_space.max(1)).unwrap_or(usize::MAX)
    });
    fitting.clamp(1, PER_PROCESSOR * processors)
}

fn read(file: &str) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}

/// Bytes available by `meminfo`, or the lowest limit of the control groups this process is in, if that is lower.
fn memory(meminfo: &str, cgroup: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let available = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
        .map(|kilobytes| kilobytes.saturating_mul(1024));
    // `4:memory:/a/b` in the first version of control groups, `0::/a/b` in the second. A group's limit holds for
    // those below it. What has no limit says `max`, or a number beyond all memory.
    let limits = cgroup.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => return None,
        };
        Path::new(group.trim_start_matches('/'))
            .ancestors()
            .filter_map(|group| {
                read(&Path::new(root).join(group).join(file))?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .min()
    });
    available.into_iter().chain(limits).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24000 kB\nMemFree:         1000 kB\nMemAvailable:   16000 kB\n";

    #[test]
    fn the_lowest_limit_counts() {
        let nothing = |_: &Path| None;
        assert_eq!(memory(MEMINFO, "0::/", nothing), Some(16_000 << 10));
        assert_eq!(memory("", "", nothing), None);

        let second = |file: &Path| match file.to_str()? {
            "/sys/fs/cgroup/a/memory.max" => Some("4096\n".to_owned()),
            "/sys/fs/cgroup/a/b/memory.max" => Some("max\n".to_owned()),
            _ => None,
        };
        assert_eq!(memory(MEMINFO, "0::/a/b\n", second), Some(4096));

        let first = |file: &Path| match file.to_str()? {
            "/sys/fs/cgroup/memory/c/memory.limit_in_bytes" => Some("8192\n".to_owned()),
            "/sys/fs/cgroup/memory/memory.limit_in_bytes" => Some("9223372036854771712\n".to_owned()),
            _ => None,
        };
        assert_eq!(
            memory(MEMINFO, "5:cpu:/c\n4:memory:/c\n0::/\n", first),
            Some(8192)
        );
    }

    #[test]
    fn one_child_always_has_room_and_processors_bound_the_rest() {
        assert_eq!(children(u64::MAX), 1);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        assert_eq!(children(1), PER_PROCESSOR * processors);
    }
}
