//! Who learns here: asked of the course and the enrollment service on every call, so that a drop or a flip counts at
//! once.

use smartcourse_platform::{
    Error, Result,
    grpc::Actor,
    postgres::{self, Tx},
};
use smartcourse_proto::{
    course::{Course, CourseRef, CourseStatus, LessonType},
    enrollment::{Access, AccessRequest},
    ids::{CourseId, EnrollmentId, UserId, VersionId},
};

use crate::{
    State, codes,
    enrollments::{self, Enrollment},
    standing,
};

/// An enrolled user and the course as it is now.
pub(crate) struct Learner {
    pub(crate) enrollment_id: EnrollmentId,
    epoch: i32,
    pub(crate) course_id: CourseId,
    pub(crate) course_title: String,
    /// The published version; 0 while there is none.
    pub(crate) version: i32,
}

impl Learner {
    /// Begins a transaction that holds the learner's row until its end.
    /// Fails with `not_ready` while the enrollment workflow has not initialised the progress of this epoch, with
    /// `not_enrolled` when the learner has left since.
    pub(crate) async fn begin(&self, state: &State) -> Result<(Tx, Enrollment)> {
        loop {
            let mut tx = postgres::begin(&state.pool).await?;
            let enrollment = self.ready(enrollments::lock(&mut tx, self.enrollment_id).await?)?;
            if !enrollment.dropped {
                return Ok((tx, enrollment));
            }
            tx.rollback().await?;
            let who = AccessRequest {
                course_id: self.course_id.0,
                user_id: enrollment.user_id.0,
            };
            if has_left(state, self.enrollment_id, enrollment.epoch, who).await? {
                return Err(not_enrolled());
            }
        }
    }

    /// The row, if it is that of the learner's epoch.
    pub(crate) fn ready(&self, row: Option<Enrollment>) -> Result<Enrollment> {
        row.filter(|row| row.epoch >= self.epoch).ok_or_else(not_ready)
    }

    pub(crate) fn version(&self) -> VersionId {
        VersionId::new(self.course_id, self.version)
    }

    /// The type of a lesson of the published version. Fails with `not_found` when the version does not have it.
    pub(crate) async fn lesson(&self, state: &State, lesson_id: &str) -> Result<LessonType> {
        let connection = &mut *state.pool.acquire().await?;
        let kind = standing::lesson_type(connection, self.version(), lesson_id).await?;
        kind.ok_or_else(|| {
            let detail = format!("the published course has no lesson `{lesson_id}`");
            Error::new(&codes::NOT_FOUND, detail)
        })
    }
}

/// The answer until the workflow of the enrollment has come this far.
pub(crate) fn not_ready() -> Error {
    Error::new(&codes::NOT_READY, "the enrollment is still being set up")
}

fn not_enrolled() -> Error {
    Error::new(&codes::NOT_ENROLLED, "enroll in the course to learn with it")
}

/// The enrolled user of a course.
/// Fails with `not_enrolled`, or with `not_found` for a course that others may not know of.
pub(crate) async fn learner(state: &State, user: UserId, course_id: CourseId) -> Result<Learner> {
    let (course, access) = tokio::try_join!(course(state, course_id), enrolled(state, course_id, user))?;
    if !access.enrolled {
        return Err(match course.status() {
            CourseStatus::Published => not_enrolled(),
            _ => hidden(course_id),
        });
    }
    Ok(Learner {
        enrollment_id: access.enrollment_id.into(),
        epoch: access.epoch,
        course_id,
        version: course.published_version.unwrap_or(0),
        course_title: course.title,
    })
}

/// Whether a student has left for good. Waits for a drop that is under way, so nothing may be locked here meanwhile: the
/// drop may be waiting for that lock. The note of a drop that did not happen is taken back.
pub(crate) async fn has_left(
    state: &State,
    enrollment_id: EnrollmentId,
    epoch: i32,
    who: AccessRequest,
) -> Result<bool> {
    let note = sqlx::query!(
        "select epoch, asked, announced from progress.drops where enrollment_id = $1 and epoch >= $2",
        enrollment_id.0,
        epoch
    )
    .fetch_optional(&state.pool)
    .await?;
    let note = match note {
        None => return Ok(false),
        Some(note) if note.announced => return Ok(true),
        Some(note) => note,
    };
    let request = Actor::Service.request(who);
    let access = state.enrollment.settle_access(request).await?;
    if !access.enrolled || access.epoch != note.epoch {
        return Ok(true);
    }
    sqlx::query!(
        "delete from progress.drops where enrollment_id = $1 and epoch = $2 and asked = $3 and not announced",
        enrollment_id.0,
        note.epoch,
        note.asked
    )
    .execute(&state.pool)
    .await?;
    Ok(false)
}

/// The course as it is now, whoever asks.
pub(crate) async fn course(state: &State, id: CourseId) -> Result<Course> {
    let request = Actor::Service.request(CourseRef { id: id.0 });
    Ok(state.course.get_course(request).await?)
}

/// Whether a user is enrolled, and as what.
pub(crate) async fn enrolled(state: &State, course_id: CourseId, user: UserId) -> Result<Access> {
    let request = Actor::Service.request(AccessRequest {
        course_id: course_id.0,
        user_id: user.0,
    });
    Ok(state.enrollment.get_access(request).await?)
}

/// The answer for a course this caller may not know of: the same as for one that is not there.
pub(crate) fn hidden(course_id: CourseId) -> Error {
    Error::new(&codes::NOT_FOUND, format!("there is no course {course_id}"))
}
