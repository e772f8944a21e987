//! A small shell that stops a process of ours when we are gone.
//!
//! The kernel's parent-death signal would need unsafe code. A pipe does as well: the shell reads from one whose other
//! end only this process holds, so that it meets the end of file when we end, be it by SIGKILL.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// `$1` is the process id and `$2` a word of its command line, which tells it from a later process that
/// happens to have got the same id, also while it is waited for.
const SCRIPT: &str = r#"
cat >/dev/null
is_it() { [ ! -d /proc/self ] || grep -qF -- "$2" "/proc/$1/cmdline" 2>/dev/null; }
is_it "$@" && kill -INT "$1" 2>/dev/null || exit 0
n=0
while [ "$n" -lt 80 ] && is_it "$@" && kill -0 "$1" 2>/dev/null; do sleep 0.25; n=$((n + 1)); done
is_it "$@" && kill -KILL "$1" 2>/dev/null
"#;

/// The watchdog of one process.
#[derive(Debug)]
pub(super) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    /// Starts watching; `marker` is a word of the process's command line.
    pub(super) fn start(pid: u32, marker: &str) -> std::io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", SCRIPT, "smartcourse-watchdog", &pid.to_string(), marker]);
        // A group of its own: the Ctrl-C that ends us must not end the watchdog too.
        shell.process_group(0).current_dir("/");
        shell
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        shell.spawn().map(|shell| Self { shell })
    }
}

impl Drop for Watchdog {
    /// Lets the watchdog go; if its process still runs, that is stopped by it now.
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Without a process it ends at once. With one it takes longer than a drop may wait for.
        for _ in 0..20 {
            if !matches!(self.shell.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}
