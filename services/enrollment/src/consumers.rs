//! The events this service acts on.

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    config::Config,
    events::{Consumer, Event},
    outbox,
};
use smartcourse_proto::events::{CourseCompleted, EnrollmentRefused, EnrollmentRequested};
use sqlx::{PgConnection, PgPool};

use crate::{Dependencies, State, eligibility::require_student, ops::enroll};

/// `enrollment.requested`: the way in for whoever may write to the log. A refusal is answered by `enrollment.refused`.
pub struct Commands(State);

impl Commands {
    /// Enrolls by the rules of this service, over a pool of its own.
    ///
    /// # Errors
    /// As [`service`](crate::service).
    pub fn new(config: &Config, pool: PgPool, deps: Dependencies) -> Result<Self> {
        State::new(config, pool, deps).map(Self)
    }

    async fn enroll(&self, tx: &mut PgConnection, request: &EnrollmentRequested) -> Result<()> {
        let user_id = request.user_id.into();
        require_student(&self.0, user_id).await?;
        let course = enroll::course(&self.0, request.course_id.into()).await?;
        enroll::accept(&self.0, tx, &course, user_id, None).await?;
        Ok(())
    }
}

#[async_trait]
impl Consumer for Commands {
    fn group(&self) -> &'static str {
        "enrollment.commands"
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type == "enrollment.requested"
    }

    /// Each holds the seats of its course until the commit, and the next one asks two services first.
    fn batch(&self) -> usize {
        1
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        let request: EnrollmentRequested = event.read()?;
        match self.enroll(tx, &request).await {
            // The rules are checked before anything is written, so the transaction is as it was.
            Err(error) if !error.kind().is_retryable() => {
                tracing::info!(event = %event.id, error = %error.chain(), "enrollment refused");
                let refused = EnrollmentRefused {
                    course_id: request.course_id,
                    user_id: request.user_id,
                    code: error.code().to_owned(),
                };
                outbox::put_event(tx, "enrollment.refused", &event.key, &refused).await?;
                Ok(())
            }
            outcome => outcome,
        }
    }
}

/// `course.completed`: the enrollment is completed, and access stays.
#[derive(Debug, Clone, Copy)]
pub struct Completions;

#[async_trait]
impl Consumer for Completions {
    fn group(&self) -> &'static str {
        "enrollment.completions"
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type == "course.completed"
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        let completed: CourseCompleted = event.read()?;
        sqlx::query!(
            "update enrollment.enrollments set status = 'completed', completed_at = $3
             where id = $1 and epoch = $2 and status = 'active'",
            completed.enrollment_id,
            completed.epoch,
            event.created_at
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}
