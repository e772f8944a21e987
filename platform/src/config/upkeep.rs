//! The settings of the clean-up.

use std::time::Duration;

use serde::Deserialize;

use super::{Problems, Section};

const DAY: u64 = 24 * 3600;

/// `[upkeep]`
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Upkeep {
    /// Days for which settled rows are kept.
    pub keep_days: u64,
    /// Days for which reports are kept.
    pub keep_reports_days: u64,
}

impl Upkeep {
    /// How old a settled row becomes.
    pub fn keep(&self) -> Duration {
        Duration::from_secs(self.keep_days * DAY)
    }

    /// How old a report becomes.
    pub fn keep_reports(&self) -> Duration {
        Duration::from_secs(self.keep_reports_days * DAY)
    }
}

impl Section for Upkeep {
    const NAME: &'static str = "upkeep";

    fn check(&self, problems: &mut Problems) {
        for (name, days) in [
            ("keep_days", self.keep_days),
            ("keep_reports_days", self.keep_reports_days),
        ] {
            problems.require(
                (1..=36_500).contains(&days),
                format!("upkeep.{name}: must be 1 to 36500"),
            );
        }
    }
}
