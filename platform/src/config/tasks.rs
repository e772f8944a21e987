//! The settings of background tasks.

use std::time::Duration;

use serde::Deserialize;

use super::{Problems, Section};

/// Longest pause before a failed task is run again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// `[tasks]`
#[derive(Debug, Clone, Deserialize)]
pub struct Tasks {
    /// Tasks of each kind that run at once in one process.
    pub concurrency: usize,
    /// Runs before a task is given up.
    pub max_tries: i32,
    /// First pause between runs in milliseconds.
    pub retry_initial_ms: u64,
    /// By how much each further pause is longer than the one before.
    pub retry_factor: f64,
    /// Seconds after which a dead process's task goes to another.
    pub lease_seconds: u64,
}

impl Tasks {
    /// How long a task stays with a process that says nothing.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// The pause after so many failed runs.
    pub fn pause(&self, tries: i32) -> Duration {
        let initial = Duration::from_millis(self.retry_initial_ms).as_secs_f64();
        let pause = initial * self.retry_factor.powi(tries.saturating_sub(1).max(0));
        Duration::from_secs_f64(pause.min(LONGEST_PAUSE.as_secs_f64()))
    }
}

impl Section for Tasks {
    const NAME: &'static str = "tasks";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            (1..=1000).contains(&self.concurrency),
            "tasks.concurrency: must be 1 to 1000",
        );
        problems.require(self.max_tries >= 1, "tasks.max_tries: must be at least 1");
        problems.require(
            (1.0..=1000.0).contains(&self.retry_factor),
            "tasks.retry_factor: must be 1 to 1000",
        );
        problems.require(self.lease_seconds >= 1, "tasks.lease_seconds: must be at least 1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_pauses_grow_and_have_an_end() {
        let tasks = Config::load(&[], None, &[]).expect("defaults").tasks;
        let pauses: Vec<u64> = (1..=4).map(|tries| tasks.pause(tries).as_secs()).collect();
        assert_eq!(pauses, [5, 60, 300, 300]);
        assert_eq!(tasks.pause(i32::MAX), LONGEST_PAUSE);
    }
}
