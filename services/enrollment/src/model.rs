//! Rows of schema `enrollment` and what they look like outside.

use smartcourse_platform::{Error, Result, config};
use smartcourse_proto::{
    common::Problem,
    course::StepState,
    enrollment::{Enrollment, EnrollmentStatus, Onboarding, OnboardingState, OnboardingStep},
    ids::{CourseId, EnrollmentId, UserId},
    json::timestamp::from_time,
};
use smartcourse_workflows::{activities::ONBOARDING, enrollment::workflow_id};
use sqlx::{PgConnection, PgExecutor, types::time::OffsetDateTime};
use uuid::Uuid;

use crate::codes;

/// A row of `enrollment.enrollments`.
#[derive(Debug, Clone)]
pub(crate) struct EnrollmentRow {
    pub(crate) id: EnrollmentId,
    pub(crate) course_id: CourseId,
    pub(crate) user_id: UserId,
    pub(crate) status: EnrollmentStatus,
    pub(crate) enrolled_at: OffsetDateTime,
    pub(crate) epoch: i32,
    pub(crate) completed_at: Option<OffsetDateTime>,
    pub(crate) dropped_at: Option<OffsetDateTime>,
    pub(crate) onboarding: OnboardingState,
    pub(crate) run_id: Option<String>,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) instructor_id: UserId,
}

impl EnrollmentRow {
    /// Holds a seat.
    pub(crate) fn is_seated(&self) -> bool {
        self.status != EnrollmentStatus::Dropped
    }

    pub(crate) fn is_onboarded(&self) -> bool {
        self.onboarding == OnboardingState::Completed
    }
}

/// A step of the onboarding that failed at least once.
#[derive(Debug, Clone)]
pub(crate) struct FailedStep {
    pub(crate) enrollment_id: EnrollmentId,
    pub(crate) epoch: i32,
    pub(crate) step: i32,
    pub(crate) tries: i32,
    pub(crate) error_code: String,
    pub(crate) error_message: String,
    /// A later try worked.
    pub(crate) done: bool,
}

pub(crate) fn missing(id: EnrollmentId) -> Error {
    Error::new(&codes::NOT_FOUND, format!("there is no enrollment {id}"))
}

pub(crate) async fn by_id(connection: impl PgExecutor<'_>, id: EnrollmentId) -> Result<EnrollmentRow> {
    sqlx::query_as!(
        EnrollmentRow,
        "select * from enrollment.enrollments where id = $1",
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| missing(id))
}

pub(crate) async fn lock(connection: &mut PgConnection, id: EnrollmentId) -> Result<EnrollmentRow> {
    sqlx::query_as!(
        EnrollmentRow,
        "select * from enrollment.enrollments where id = $1 for update",
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| missing(id))
}

/// The steps of these enrollments that failed, whatever their epoch.
pub(crate) async fn failed_steps(
    connection: impl PgExecutor<'_>,
    ids: &[EnrollmentId],
) -> Result<Vec<FailedStep>> {
    Ok(sqlx::query_as!(
        FailedStep,
        "select enrollment_id, epoch, step, tries, error_code, error_message, done from enrollment.onboarding_steps
         where enrollment_id = any($1)",
        &ids.iter().map(|id| id.0).collect::<Vec<_>>()
    )
    .fetch_all(connection)
    .await?)
}

/// What the API answers.
pub(crate) fn outside(row: EnrollmentRow, failed: &[FailedStep], temporal: &config::Temporal) -> Enrollment {
    let workflow_id = workflow_id(row.course_id, row.user_id);
    Enrollment {
        enrollment_id: row.id.0,
        course_id: row.course_id.0,
        user_id: row.user_id.0,
        status: row.status.into(),
        enrolled_at: Some(from_time(row.enrolled_at)),
        completed_at: row.completed_at.map(from_time),
        dropped_at: row.dropped_at.map(from_time),
        onboarding: Some(onboarding(&row, failed)),
        temporal_url: temporal.workflow_link(&workflow_id, row.run_id.as_deref()),
        workflow_id,
        epoch: row.epoch,
    }
}

/// How the onboarding stands: a step that reports a failed try is the one it is at, one that recovered is done, and so
/// are those before either. The first always is: there is no enrollment without its seat.
fn onboarding(row: &EnrollmentRow, failed: &[FailedStep]) -> Onboarding {
    let ours = |step: &&FailedStep| step.enrollment_id == row.id && step.epoch == row.epoch;
    let failed: Vec<&FailedStep> = failed.iter().filter(ours).collect();
    let at = failed.iter().map(|step| step.step + i32::from(step.done)).max();
    let retrying = failed.iter().any(|step| !step.done && Some(step.step) == at);
    let state = match (row.onboarding, retrying) {
        (OnboardingState::Completed, _) => OnboardingState::Completed,
        (OnboardingState::Accepted, _) => OnboardingState::Accepted,
        (_, true) => OnboardingState::Retrying,
        (_, false) => OnboardingState::Running,
    };
    let steps = ONBOARDING.steps.iter().map(|step| {
        let number = i32::from(step.number);
        let report = failed.iter().find(|step| step.step == number);
        let done = number == 1 || row.is_onboarded() || at.is_some_and(|at| number < at);
        let (state, error) = match report {
            _ if done => (StepState::Completed, None),
            Some(report) => {
                let (code, message) = (report.error_code.clone(), report.error_message.clone());
                (StepState::Retrying, Some(Problem { code, message }))
            }
            None => (StepState::Pending, None),
        };
        let tries = report.map_or(0, |report| report.tries);
        OnboardingStep {
            name: step.name.to_owned(),
            label: step.label.to_owned(),
            state: state.into(),
            attempts: if done { tries + 1 } else { tries },
            error,
        }
    });
    Onboarding {
        state: state.into(),
        steps: steps.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(onboarding: OnboardingState) -> EnrollmentRow {
        EnrollmentRow {
            id: EnrollmentId(1),
            course_id: CourseId(2),
            user_id: UserId(3),
            status: EnrollmentStatus::Active,
            enrolled_at: OffsetDateTime::UNIX_EPOCH,
            epoch: 2,
            completed_at: None,
            dropped_at: None,
            onboarding,
            run_id: None,
            event_id: None,
            instructor_id: UserId(4),
        }
    }

    fn failed(epoch: i32, step: i32) -> FailedStep {
        FailedStep {
            enrollment_id: EnrollmentId(1),
            epoch,
            step,
            tries: 3,
            error_code: "unavailable".to_owned(),
            error_message: "the progress service does not answer".to_owned(),
            done: false,
        }
    }

    #[test]
    fn a_failing_step_is_shown_with_its_cause() {
        let shown = onboarding(&row(OnboardingState::Running), &[failed(2, 2), failed(1, 4)]);
        assert_eq!(shown.state(), OnboardingState::Retrying);
        assert_eq!(shown.steps[0].state(), StepState::Completed);
        assert_eq!(shown.steps[1].state(), StepState::Retrying);
        assert_eq!(shown.steps[1].attempts, 3);
        assert!(shown.steps[1].error.is_some());
        assert_eq!(shown.steps[2].state(), StepState::Pending);
    }

    #[test]
    fn a_step_that_recovered_is_done_at_once() {
        let recovered = FailedStep {
            done: true,
            ..failed(2, 2)
        };
        let shown = onboarding(&row(OnboardingState::Running), std::slice::from_ref(&recovered));
        assert_eq!(shown.state(), OnboardingState::Running);
        assert_eq!(shown.steps[1].state(), StepState::Completed);
        assert_eq!((shown.steps[1].attempts, &shown.steps[1].error), (4, &None));
        assert_eq!(shown.steps[2].state(), StepState::Pending);
        let shown = onboarding(&row(OnboardingState::Running), &[recovered, failed(2, 3)]);
        assert_eq!(shown.state(), OnboardingState::Retrying);
        assert_eq!(shown.steps[2].state(), StepState::Retrying);
    }

    #[test]
    fn an_end_is_an_end() {
        let shown = onboarding(&row(OnboardingState::Completed), &[failed(2, 2)]);
        assert_eq!(shown.state(), OnboardingState::Completed);
        assert!(
            shown
                .steps
                .iter()
                .all(|step| step.state() == StepState::Completed && step.error.is_none())
        );
        assert_eq!(
            onboarding(&row(OnboardingState::Accepted), &[]).state(),
            OnboardingState::Accepted
        );
    }
}
