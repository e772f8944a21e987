//! Event → fact. Each event has its own row or its own columns, so that events of different keys may come in any order
//! and twice.

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{Consumer, Event},
};
use smartcourse_proto::events::{
    AssistantAnswered, CertificateIssued, CourseArchived, CourseCompleted, CoursePublishFailed,
    CoursePublished, EnrollmentCreated, EnrollmentDropped, ProgressUpdated, UserRegistered, UserRoleChanged,
};
use sqlx::PgConnection;

/// Name of the consumer group.
pub const GROUP: &str = "analytics.counter";

/// Counts events.
#[derive(Debug, Clone, Copy)]
pub struct Counter;

/// The types that count.
const TYPES: [&str; 11] = [
    "user.registered",
    "user.role_changed",
    "course.published",
    "course.archived",
    "course.publish_failed",
    "enrollment.created",
    "enrollment.dropped",
    "progress.updated",
    "course.completed",
    "certificate.issued",
    "assistant.answered",
];

#[async_trait]
impl Consumer for Counter {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn wants(&self, event_type: &str) -> bool {
        TYPES.contains(&event_type)
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        match event.event_type.as_str() {
            "user.registered" => registered(tx, event).await?,
            "user.role_changed" => role_changed(tx, event).await?,
            "course.published" => published(tx, event).await?,
            "course.archived" => archived(tx, event).await?,
            "course.publish_failed" => publish_failed(tx, event).await?,
            "enrollment.created" => enrolled(tx, event).await?,
            "enrollment.dropped" => dropped(tx, event).await?,
            "progress.updated" => lesson_completed(tx, event).await?,
            "course.completed" => completed(tx, event).await?,
            "certificate.issued" => certified(tx, event).await?,
            "assistant.answered" => asked(tx, event).await?,
            _ => return Ok(()),
        }
        sqlx::query!(
            "insert into analytics.counted as known (as_of) values ($1)
             on conflict (one) do update set as_of = greatest(known.as_of, excluded.as_of)",
            event.created_at
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

async fn registered(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let user: UserRegistered = event.read()?;
    sqlx::query!(
        "insert into analytics.users (user_id, role, registered_at) values ($1, $2, $3) on conflict (user_id) do nothing",
        user.user_id,
        user.role,
        event.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn role_changed(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let change: UserRoleChanged = event.read()?;
    sqlx::query!(
        "update analytics.users set role = $2 where user_id = $1",
        change.user_id,
        change.to
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// A republish is the same course.
async fn published(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let course: CoursePublished = event.read()?;
    sqlx::query!(
        "with listed as (insert into analytics.popularity (course_id, enrollments) values ($1, 0) on conflict do nothing)
         insert into analytics.courses (course_id, instructor_id, title, published) values ($1, $2, $3, true)
         on conflict (course_id) do update set title = excluded.title, published = true",
        course.course_id,
        course.instructor_id,
        course.title
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn archived(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let course: CourseArchived = event.read()?;
    sqlx::query!(
        "update analytics.courses set published = false where course_id = $1",
        course.course_id
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn publish_failed(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let failure: CoursePublishFailed = event.read()?;
    sqlx::query!(
        "insert into analytics.failed_publishes (event_id, course_id, version, code, failed_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        event.id,
        failure.course_id,
        failure.version,
        failure.code,
        event.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn enrolled(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let enrollment: EnrollmentCreated = event.read()?;
    sqlx::query!(
        "with known as (
             select from analytics.enrollments where enrollment_id = $1 and epoch = $2 and began_at is not null
         ), counted as (
             insert into analytics.popularity as p (course_id, enrollments) select $3, 1 where not exists (select from known)
             on conflict (course_id) do update set enrollments = p.enrollments + 1
         )
         insert into analytics.enrollments (enrollment_id, epoch, course_id, user_id, instructor_id, began_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (enrollment_id, epoch) do update set instructor_id = excluded.instructor_id, began_at = excluded.began_at",
        enrollment.enrollment_id,
        enrollment.epoch,
        enrollment.course_id,
        enrollment.user_id,
        enrollment.instructor_id,
        event.created_at
    )
    .execute(&mut *tx)
    .await?;
    active(tx, enrollment.user_id, event).await
}

async fn dropped(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let enrollment: EnrollmentDropped = event.read()?;
    sqlx::query!(
        "insert into analytics.enrollments (enrollment_id, epoch, course_id, user_id, dropped_at)
         values ($1, $2, $3, $4, $5) on conflict (enrollment_id, epoch) do update set dropped_at = excluded.dropped_at",
        enrollment.enrollment_id,
        enrollment.epoch,
        enrollment.course_id,
        enrollment.user_id,
        event.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn lesson_completed(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let progress: ProgressUpdated = event.read()?;
    sqlx::query!(
        "insert into analytics.lessons (enrollment_id, lesson_id, course_id, user_id, completed_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        progress.enrollment_id,
        progress.lesson_id,
        progress.course_id,
        progress.user_id,
        event.created_at
    )
    .execute(&mut *tx)
    .await?;
    active(tx, progress.user_id, event).await
}

async fn completed(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let course: CourseCompleted = event.read()?;
    sqlx::query!(
        "insert into analytics.enrollments (enrollment_id, epoch, course_id, user_id, completed_at)
         values ($1, $2, $3, $4, $5) on conflict (enrollment_id, epoch) do update set completed_at = excluded.completed_at",
        course.enrollment_id,
        course.epoch,
        course.course_id,
        course.user_id,
        event.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn certified(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let certificate: CertificateIssued = event.read()?;
    sqlx::query!(
        "insert into analytics.certificates (code, course_id, user_id, issued_at) values ($1, $2, $3, $4)
         on conflict do nothing",
        certificate.code,
        certificate.course_id,
        certificate.user_id,
        event.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn asked(tx: &mut PgConnection, event: &Event) -> Result<()> {
    let answer: AssistantAnswered = event.read()?;
    sqlx::query!(
        "insert into analytics.questions (event_id, course_id, user_id, refused, asked_at) values ($1, $2, $3, $4, $5)
         on conflict do nothing",
        event.id,
        answer.course_id,
        answer.user_id,
        answer.refused,
        event.created_at
    )
    .execute(&mut *tx)
    .await?;
    active(tx, answer.user_id, event).await
}

async fn active(tx: &mut PgConnection, user_id: i64, event: &Event) -> Result<()> {
    sqlx::query!(
        "insert into analytics.activity as known (user_id, last_at) values ($1, $2)
         on conflict (user_id) do update set last_at = greatest(known.last_at, excluded.last_at)",
        user_id,
        event.created_at
    )
    .execute(tx)
    .await?;
    Ok(())
}
