//! The settings of what answers may take.

use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(include_str!("config.toml"), &[Reader::of::<Assistant>()]);

/// `[assistant]`; 0 is no limit.
#[derive(Debug, Clone, Deserialize)]
pub struct Assistant {
    /// Tokens of one user's answers on a day.
    pub user_tokens_per_day: i64,
    /// Tokens of the answers about one course on a day.
    pub course_tokens_per_day: i64,
    /// Tokens of all answers on a day.
    pub tokens_per_day: i64,
    /// What one user's answers may cost on a day.
    pub user_cost_per_day: f64,
    /// What the answers about one course may cost on a day.
    pub course_cost_per_day: f64,
    /// What all answers may cost on a day.
    pub cost_per_day: f64,
}

impl Section for Assistant {
    const NAME: &'static str = "assistant";

    fn check(&self, problems: &mut Problems) {
        let tokens = [
            self.user_tokens_per_day,
            self.course_tokens_per_day,
            self.tokens_per_day,
        ];
        let costs = [
            self.user_cost_per_day,
            self.course_cost_per_day,
            self.cost_per_day,
        ];
        problems.require(
            tokens.iter().all(|limit| *limit >= 0) && costs.iter().all(|limit| (0.0..=1e9).contains(limit)),
            "assistant: limits must be 0 or more",
        );
    }
}
