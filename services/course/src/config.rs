//! The settings of courses and of the publishing workflow.

use serde::Deserialize;
use smartcourse_platform::{
    config::{Declared, Problems, Reader, Section},
    ports::documents,
};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(
    include_str!("config.toml"),
    &[Reader::of::<Publish>(), Reader::of::<Course>()],
);

/// `[publish]`
#[derive(Debug, Clone, Deserialize)]
pub struct Publish {
    /// Seconds before a publish compensates by itself.
    pub deadline_seconds: u64,
    /// Lessons processed at the same time.
    pub lanes: usize,
    /// First pause between tries in milliseconds.
    pub retry_initial_ms: u64,
    /// Longest pause between tries in seconds.
    pub retry_max_seconds: u64,
    /// Tries in all; 0 means until the deadline.
    pub retry_attempts: u32,
}

impl Section for Publish {
    const NAME: &'static str = "publish";

    fn check(&self, problems: &mut Problems) {
        problems.require((1..=32).contains(&self.lanes), "publish.lanes: must be 1 to 32");
        problems.require(
            self.deadline_seconds >= 10,
            "publish.deadline_seconds: must be at least 10",
        );
    }
}

/// `[course]`
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Course {
    /// Bytes of a course's content, as JSON.
    pub max_content_bytes: usize,
    /// Members of its objects and items of its lists, all together.
    pub max_content_values: usize,
}

impl Section for Course {
    const NAME: &'static str = "course";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            (1..=documents::MAX_BYTES).contains(&self.max_content_bytes),
            "course.max_content_bytes: must be at most what a document may have",
        );
    }
}
