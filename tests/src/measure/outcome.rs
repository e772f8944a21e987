//! How operations went.

use std::time::Duration;

use super::table::quantile;

/// How it went.
#[derive(Debug, Clone)]
pub struct Outcome {
    sorted: Vec<Duration>,
    /// From the first request to the last answer.
    pub wall: Duration,
}

impl Outcome {
    /// Of times that were taken elsewhere.
    pub fn of(mut times: Vec<Duration>, wall: Duration) -> Self {
        times.sort_unstable();
        Self { sorted: times, wall }
    }

    /// The times, sorted.
    pub fn times(self) -> Vec<Duration> {
        self.sorted
    }

    /// Answers per second.
    pub fn per_second(&self) -> f64 {
        self.sorted.len() as f64 / self.wall.as_secs_f64()
    }

    /// Answers.
    pub fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The time within which this share of the answers came.
    pub fn quantile(&self, share: f64) -> Duration {
        quantile(&self.sorted, share)
    }
}
