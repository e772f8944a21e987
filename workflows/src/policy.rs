//! Time-outs and retries: here and nowhere else.
//!
//! Every activity heartbeats each second (the activity wrapper does it), so the death of a worker is noticed after
//! [`HEARTBEAT`], whatever the activity's own limit.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_common::RetryPolicy;
use temporalio_workflow::{
    ActivityCancellationType, ActivityOptions, LocalActivityOptions, WorkflowCancellationToken,
};

/// Silence after which an activity is given to another worker.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// Limit of one try of an activity that reads or writes a few rows.
const QUICK: Duration = Duration::from_secs(60);
/// Limit of one try of an activity that handles files, lessons or a whole version.
const LONG: Duration = Duration::from_secs(1800);
/// Tries of a local activity: its retries take up a workflow task, those of a regular one only the server's memory.
const LOCAL_TRIES: u32 = 3;
/// Failures in a row of a service outside after which a lesson goes without it: a minute by the default pauses.
const OUTSIDE_TRIES: u32 = 8;
/// Tries of a part of the clean-up: the next run tries again anyway.
pub const UPKEEP_TRIES: u32 = 5;
/// When the server ends a run that came by the clock: above what all tries of its activities may take.
pub const UPKEEP_TIMEOUT: Duration = Duration::from_secs(9 * 3600);
/// How long a run may take beyond its deadline before the server ends it and the reconciler takes over: a large course puts its
/// deadline off with each page, and compensations take their time.
pub const ALLOWANCE: Duration = Duration::from_secs(24 * 3600);

/// What an operator may tune, fixed in the input when the workflow starts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Seconds before the workflow compensates by itself.
    pub deadline_seconds: u64,
    /// Lessons processed at the same time.
    pub lanes: usize,
    /// First pause between tries, in milliseconds; it doubles.
    pub retry_initial_ms: u64,
    /// Longest pause, in seconds.
    pub retry_max_seconds: u64,
    /// Tries in all; 0 means until the deadline.
    pub retry_attempts: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline_seconds: 3600,
            lanes: 5,
            retry_initial_ms: 500,
            retry_max_seconds: 30,
            retry_attempts: 0,
        }
    }
}

impl Settings {
    /// For the clean-up: [`UPKEEP_TRIES`] with pauses of a minute and a half in all, so that a restart is outlasted and what
    /// is broken does not hold up the rest for ever.
    pub fn upkeep() -> Self {
        Self {
            retry_initial_ms: 5_000,
            retry_max_seconds: 60,
            retry_attempts: UPKEEP_TRIES,
            ..Self::default()
        }
    }

    /// When the server ends the run whatever it does.
    pub fn execution_timeout(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds) + ALLOWANCE
    }

    fn retry(&self, attempts: u32) -> RetryPolicy {
        RetryPolicy::builder()
            .initial_interval(Duration::from_millis(self.retry_initial_ms))
            .maximum_interval(Duration::from_secs(self.retry_max_seconds))
            .maximum_attempts(attempts)
            .build()
    }

    /// A step's quick activity.
    pub fn quick(&self, summary: String, token: &WorkflowCancellationToken) -> ActivityOptions {
        self.options(QUICK, summary, token, self.retry_attempts)
    }

    /// A quick activity within the workflow's own task. It is given up after [`LOCAL_TRIES`]: what lasts longer is for a
    /// regular activity.
    pub fn local(&self, summary: String, token: &WorkflowCancellationToken) -> LocalActivityOptions {
        LocalActivityOptions::builder()
            .start_to_close_timeout(QUICK)
            .cancel_type(ActivityCancellationType::WaitCancellationCompleted)
            .cancellation_token(token.clone())
            .retry_policy(self.retry(self.local_tries()))
            .summary(summary)
            .build()
    }

    /// For the regular activity behind a local one that failed; `None` when no tries are left for it.
    pub fn after_local(&self) -> Option<Self> {
        if self.retry_attempts == 0 {
            return Some(self.clone());
        }
        let retry_attempts = self.retry_attempts - self.local_tries();
        (retry_attempts > 0).then(|| Self {
            retry_attempts,
            ..self.clone()
        })
    }

    fn local_tries(&self) -> u32 {
        match self.retry_attempts {
            0 => LOCAL_TRIES,
            tries => tries.min(LOCAL_TRIES),
        }
    }

    /// How often a service outside may fail a lesson: never so often that the tries of its activity are used up before.
    pub fn tries_outside(&self) -> u32 {
        match self.retry_attempts {
            0 => OUTSIDE_TRIES,
            tries => tries.min(OUTSIDE_TRIES),
        }
    }

    /// A step's long activity.
    pub fn long(&self, summary: String, token: &WorkflowCancellationToken) -> ActivityOptions {
        self.options(LONG, summary, token, self.retry_attempts)
    }

    /// A compensation: tried until it works, and not cancelled along with the workflow.
    pub fn compensation(&self, summary: String) -> ActivityOptions {
        self.options(LONG, summary, &WorkflowCancellationToken::new(), 0)
    }

    fn options(
        &self,
        limit: Duration,
        summary: String,
        token: &WorkflowCancellationToken,
        attempts: u32,
    ) -> ActivityOptions {
        ActivityOptions::with_start_to_close_timeout(limit)
            .heartbeat_timeout(HEARTBEAT)
            .cancellation_type(ActivityCancellationType::WaitCancellationCompleted)
            .cancellation_token(token.clone())
            .retry_policy(self.retry(attempts))
            .summary(summary)
            .build()
    }
}
