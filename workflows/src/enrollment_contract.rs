//! Names and types of the activities of an enrollment: one struct for the onboarding, since its steps belong to four
//! services. The rules of [`crate::contract`] hold here too.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

pub use self::onboarding_activities::*;

/// Input of [`OnboardingActivities::ensure_enrollment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnsureInput {
    /// The course.
    pub course_id: i64,
    /// The student.
    pub user_id: i64,
    /// The accepted epoch; absent when the workflow was started without the service.
    #[serde(default)]
    pub epoch: Option<i32>,
    /// Id of the workflow.
    pub workflow_id: String,
    /// Id of this run.
    pub run_id: String,
}

/// The enrollment whose onboarding begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentFacts {
    /// The enrollment.
    pub enrollment_id: i64,
    /// Which of its lives: rises by one with each re-enrollment, from 1.
    pub epoch: i32,
    /// This epoch is onboarded or over: the run changes nothing.
    #[serde(default)]
    pub nothing_to_do: bool,
    /// Id of the event that announced the epoch.
    #[serde(default)]
    pub event_id: String,
}

/// One epoch of one enrollment: the key of every effect of its onboarding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRef {
    /// The enrollment.
    pub enrollment_id: i64,
    /// The epoch.
    pub epoch: i32,
    /// The course.
    pub course_id: i64,
    /// The student.
    pub user_id: i64,
}

/// Input of [`OnboardingActivities::await_analytics`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitInput {
    /// The epoch.
    pub epoch: EpochRef,
    /// The event that has to be counted.
    pub event_id: String,
    /// Longest wait in milliseconds.
    pub wait_ms: i32,
}

/// Answer of [`OnboardingActivities::finish_onboarding`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnboardingEnd {
    /// The student dropped the course and enrolled again meanwhile: this epoch comes next.
    #[serde(default)]
    pub next_epoch: Option<i32>,
}

/// What the services do for an enrollment.
pub struct OnboardingActivities;

#[activity_definitions]
impl OnboardingActivities {
    /// Takes up the accepted epoch for this run, or takes the seat for a raw start.
    #[activity(name = "enrollment.ensure_enrollment")]
    pub fn ensure_enrollment(_: EnsureInput) -> Result<EnrollmentFacts, ActivityError> {
        unimplemented!()
    }
    /// Makes the progress record.
    #[activity(name = "progress.initialise_progress")]
    pub fn initialise_progress(_: EpochRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Queues the welcome mail.
    #[activity(name = "notification.queue_welcome_mail")]
    pub fn queue_welcome_mail(_: EpochRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Waits until analytics has counted the enrollment; answers whether it has.
    #[activity(name = "analytics.await_analytics")]
    pub fn await_analytics(_: AwaitInput) -> Result<bool, ActivityError> {
        unimplemented!()
    }
    /// Records that the student is all set.
    #[activity(name = "enrollment.finish_onboarding")]
    pub fn finish_onboarding(_: EpochRef) -> Result<OnboardingEnd, ActivityError> {
        unimplemented!()
    }
}
