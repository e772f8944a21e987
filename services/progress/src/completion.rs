//! From a finished lesson to a completed course, under the lock of the enrollment: whoever finishes the last lesson
//! completes the course, and nobody else does.

use smartcourse_platform::{
    Result,
    outbox::{self, NewEvent},
};
use smartcourse_proto::{
    events::{CertificateIssued, CourseCompleted, ProgressUpdated},
    ids::CourseId,
    progress::CourseProgress,
};
use sqlx::PgConnection;

use crate::{certificate_code, enrollments::Enrollment, learner::Learner, standing::Standing};

/// The version to count against: the one the caller was told, or a newer one heard of meanwhile.
///
/// Read under the enrollment's lock. A republish has committed its version before its task takes that lock, so either the
/// task sees the fact that is being written, or this sees the version: the last lesson is never missed between the two.
pub(crate) async fn newest(tx: &mut PgConnection, course_id: CourseId, told: i32) -> Result<i32> {
    if told == 0 {
        return Ok(0);
    }
    let heard = sqlx::query_scalar!(
        "select version from progress.published where course_id = $1",
        course_id.0
    )
    .fetch_optional(tx)
    .await?;
    Ok(heard.map_or(told, |heard| heard.max(told)))
}

/// Whether a lesson is done, whatever the version.
pub(crate) async fn is_done(tx: &mut PgConnection, enrollment: &Enrollment, lesson_id: &str) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"select exists (
               select from progress.progress where enrollment_id = $1 and lesson_id = $2
           ) as "done!""#,
        enrollment.enrollment_id.0,
        lesson_id
    )
    .fetch_one(tx)
    .await?)
}

/// Notes that a lesson is done, with everything that follows. Done before, it changes nothing.
pub(crate) async fn finish_lesson(
    tx: &mut PgConnection,
    enrollment: &mut Enrollment,
    lesson_id: &str,
    learner: &Learner,
) -> Result<CourseProgress> {
    let new = sqlx::query!(
        "insert into progress.progress (enrollment_id, lesson_id, epoch) values ($1, $2, $3) on conflict do nothing",
        enrollment.enrollment_id.0,
        lesson_id,
        enrollment.epoch
    )
    .execute(&mut *tx)
    .await?
    .rows_affected()
        == 1;
    let version = newest(tx, enrollment.course_id, learner.version).await?;
    let standing = Standing::read(tx, enrollment, version).await?;
    if new {
        let updated = ProgressUpdated {
            enrollment_id: enrollment.enrollment_id.0,
            epoch: enrollment.epoch,
            course_id: enrollment.course_id.0,
            user_id: enrollment.user_id.0,
            lesson_id: lesson_id.to_owned(),
        };
        outbox::put_event(tx, "progress.updated", &enrollment.key(), &updated).await?;
    }
    settle(tx, enrollment, &standing, &learner.course_title).await?;
    Ok(standing.into_progress(enrollment))
}

/// Completes the course if every lesson is done and it was not completed before. Whoever has dropped the course completes
/// nothing.
pub(crate) async fn settle(
    tx: &mut PgConnection,
    enrollment: &mut Enrollment,
    standing: &Standing,
    course_title: &str,
) -> Result<()> {
    if enrollment.completed_at.is_some() || enrollment.dropped || !standing.is_complete() {
        return Ok(());
    }
    complete(
        tx,
        std::slice::from_mut(enrollment),
        standing.version,
        course_title,
    )
    .await
}

/// Completes the course for learners: the date, `course.completed`, the certificate and `certificate.issued` of each. Their
/// rows are locked and open, none has dropped the course, and each has done every lesson of the version.
pub(crate) async fn complete(
    tx: &mut PgConnection,
    enrollments: &mut [Enrollment],
    version: i32,
    course_title: &str,
) -> Result<()> {
    let ids: Vec<i64> = enrollments.iter().map(|each| each.enrollment_id.0).collect();
    let codes: Vec<String> = ids
        .iter()
        .map(|_| certificate_code::random())
        .collect::<Result<_>>()?;
    // First the rows that can be there once only: no event speaks of a certificate that is not.
    sqlx::query!(
        "insert into progress.certificates (code, enrollment_id, course_id, user_id, version, course_title, full_name)
         select new.code, e.enrollment_id, e.course_id, e.user_id, $3, $4, e.full_name
         from unnest($1::text[], $2::bigint[]) new (code, enrollment_id) join progress.enrollments e using (enrollment_id)",
        &codes,
        &ids,
        version,
        course_title
    )
    .execute(&mut *tx)
    .await?;
    let completed_at = sqlx::query_scalar!(
        "update progress.enrollments set completed_at = now(), completed_version = $2 where enrollment_id = any($1)
         returning completed_at",
        &ids,
        version
    )
    .fetch_all(&mut *tx)
    .await?;
    let completed_at = completed_at.first().copied().flatten();
    let mut events = Vec::new();
    for (enrollment, code) in enrollments.iter_mut().zip(codes) {
        enrollment.completed_at = completed_at;
        events.push(completed(enrollment, version)?);
        let issued = CertificateIssued {
            code,
            enrollment_id: enrollment.enrollment_id.0,
            course_id: enrollment.course_id.0,
            user_id: enrollment.user_id.0,
            version,
            course_title: course_title.to_owned(),
        };
        events.push(NewEvent::new("certificate.issued", enrollment.key(), &issued)?);
    }
    outbox::put_events(tx, &events).await
}

/// `course.completed` for the enrollment's epoch.
pub(crate) fn completed(enrollment: &Enrollment, version: i32) -> Result<NewEvent> {
    let completed = CourseCompleted {
        enrollment_id: enrollment.enrollment_id.0,
        epoch: enrollment.epoch,
        course_id: enrollment.course_id.0,
        user_id: enrollment.user_id.0,
        version,
    };
    NewEvent::new("course.completed", enrollment.key(), &completed)
}
