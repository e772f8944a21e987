//! Rows of `progress.enrollments`. The row is the lock of everything that is counted for its learner: lessons, attempts,
//! the completion and the certificate change only while it is held.

use smartcourse_platform::Result;
use smartcourse_proto::{
    ids::{CourseId, EnrollmentId, UserId},
    key::Key,
};
use sqlx::{PgConnection, types::time::OffsetDateTime};

/// A learner of a course, under lock.
#[derive(Debug, Clone)]
pub(crate) struct Enrollment {
    pub(crate) enrollment_id: EnrollmentId,
    pub(crate) epoch: i32,
    pub(crate) course_id: CourseId,
    pub(crate) user_id: UserId,
    pub(crate) completed_at: Option<OffsetDateTime>,
    /// This epoch is known to be dropped.
    pub(crate) dropped: bool,
}

impl Enrollment {
    pub(crate) fn key(&self) -> String {
        Key::Enrollment.of(self.enrollment_id.0)
    }
}

/// Locks an enrollment until the transaction ends.
pub(crate) async fn lock(tx: &mut PgConnection, enrollment_id: EnrollmentId) -> Result<Option<Enrollment>> {
    let locked = sqlx::query_as!(
        Enrollment,
        r#"select enrollment_id, epoch, course_id, user_id, completed_at, false as "dropped!"
           from progress.enrollments where enrollment_id = $1 for update"#,
        enrollment_id.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(mut enrollment) = locked else {
        return Ok(None);
    };
    // A statement of its own: what was written down while the lock was waited for has to be seen.
    enrollment.dropped = is_left(tx, enrollment_id, enrollment.epoch).await?;
    Ok(Some(enrollment))
}

/// Whether an epoch was left, or is being left.
async fn is_left(tx: &mut PgConnection, enrollment_id: EnrollmentId, epoch: i32) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from progress.drops where enrollment_id = $1 and epoch >= $2) as "noted!""#,
        enrollment_id.0,
        epoch
    )
    .fetch_one(tx)
    .await?)
}

/// An enrollment without its lock, for reading.
pub(crate) async fn find(
    tx: &mut PgConnection,
    course_id: CourseId,
    user_id: UserId,
) -> Result<Option<Enrollment>> {
    Ok(sqlx::query_as!(
        Enrollment,
        r#"select enrollment_id, epoch, course_id, user_id, completed_at,
               exists (select from progress.drops d
                       where d.enrollment_id = e.enrollment_id and d.epoch >= e.epoch) as "dropped!"
           from progress.enrollments e where course_id = $1 and user_id = $2"#,
        course_id.0,
        user_id.0
    )
    .fetch_optional(tx)
    .await?)
}
