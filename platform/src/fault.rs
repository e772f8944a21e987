//! Kill points: named places at which a test ends the process with SIGKILL.
//!
//! The promise "kill any process at any instant" is tested against the same binary that ships. A process started with
//! `SMARTCOURSE_KILL_AT=course.save_content.before_commit` ends itself, unwarned, the first time it gets there; with
//! `NAME#3` the third time. With `SMARTCOURSE_HOLD_AT` and `SMARTCOURSE_HOLD_FILE` it makes the file there and waits until
//! the file is gone, while another role is killed. `SMARTCOURSE_FAIL_AT=course.save_content` makes an activity fail for
//! good after its effect, the worst moment for a saga. Without the variables a point costs one load of a static.

use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::{
    error::{Error, Result, codes},
    postgres::Tx,
};

/// The environment variable that arms one kill point.
pub const KILL_AT: &str = "SMARTCOURSE_KILL_AT";
/// The environment variable that names the point at which the process waits.
pub const HOLD_AT: &str = "SMARTCOURSE_HOLD_AT";
/// The file that is there while it does.
pub const HOLD_FILE: &str = "SMARTCOURSE_HOLD_FILE";
/// The environment variable that names one activity whose outcome is replaced by a permanent failure.
pub const FAIL_AT: &str = "SMARTCOURSE_FAIL_AT";

struct Armed {
    point: String,
    countdown: AtomicU32,
    /// Wait while this file is there, instead of dying.
    hold: Option<PathBuf>,
}

/// Pause between two polls of the file.
const POLL: Duration = Duration::from_millis(10);

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

fn armed() -> Option<&'static Armed> {
    ARMED
        .get_or_init(|| {
            let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
            let hold = set(HOLD_AT);
            let file = hold.as_ref().and_then(|_| std::env::var_os(HOLD_FILE));
            let value = hold.or_else(|| set(KILL_AT))?;
            let (point, times) = match value.split_once('#') {
                Some((point, times)) => (point.to_owned(), times.parse().unwrap_or(1)),
                None => (value, 1),
            };
            Some(Armed {
                point,
                countdown: AtomicU32::new(times),
                hold: file.map(PathBuf::from),
            })
        })
        .as_ref()
}

/// Commits between the points `before_commit` and `after_commit` of this name. Fails when the commit fails.
pub async fn commit(tx: Tx, name: &str) -> Result<()> {
    point(name, "before_commit");
    tx.commit().await?;
    point(name, "after_commit");
    Ok(())
}

/// A failure no retry mends, if this activity is the one that should fail.
pub fn refusal(activity: &str) -> Option<Error> {
    static FAILING: OnceLock<Option<String>> = OnceLock::new();
    let failing = FAILING.get_or_init(|| std::env::var(FAIL_AT).ok()).as_deref();
    (failing == Some(activity)).then(|| Error::new(&codes::INJECTED, format!("{activity} was made to fail")))
}

/// Dies here if this point is armed. `scope` and `name` together are the point, such as `course.save_content` and
/// `before_commit`.
pub fn point(scope: &str, name: &str) {
    let Some(armed) = armed() else { return };
    let rest = armed.point.strip_prefix(scope);
    let hit = rest.and_then(|rest| rest.strip_prefix('.')) == Some(name);
    if hit && armed.countdown.fetch_sub(1, Ordering::SeqCst) == 1 {
        if let Some(file) = &armed.hold {
            return wait(file);
        }
        eprintln!("killed at {}", armed.point);
        // A SIGKILL to ourselves cannot be caught: nothing is flushed, exactly as when the machine's owner does it.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Blocks its thread on purpose: nothing of what led here goes on.
fn wait(file: &std::path::Path) {
    if let Err(error) = std::fs::write(file, "") {
        tracing::error!(%error, "a point cannot be held");
    }
    while file.exists() {
        std::thread::sleep(POLL);
    }
}
