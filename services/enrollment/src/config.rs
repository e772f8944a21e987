//! The settings of the enrollment workflow.

use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(include_str!("config.toml"), &[Reader::of::<Enrollment>()]);

/// `[enrollment]`
#[derive(Debug, Clone, Deserialize)]
pub struct Enrollment {
    /// First pause between tries in milliseconds.
    pub retry_initial_ms: u64,
    /// Longest pause between tries in seconds.
    pub retry_max_seconds: u64,
    /// Longest wait for analytics in milliseconds.
    pub analytics_wait_ms: i32,
}

impl Section for Enrollment {
    const NAME: &'static str = "enrollment";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            (0..=20_000).contains(&self.analytics_wait_ms),
            "enrollment.analytics_wait_ms: must be 0 to 20000",
        );
    }
}
