//! What other people's changes mean for learners: a republish that removes the last open lesson completes the course
//! for whoever had done the rest; a drop ends that for who has left.
//!
//! One group hears of both, so they take effect in the order in which they happened.

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{Consumer, Event},
};
use smartcourse_proto::events::{CoursePublished, EnrollmentDropped};
use sqlx::PgConnection;

use crate::{completion, enrollments, standing::Standing};

const PUBLISHED: &str = "course.published";
const DROPPED: &str = "enrollment.dropped";

/// Follows republishes and drops; it needs nothing but the connection it is given.
#[derive(Debug, Clone, Copy)]
pub struct Republished;

#[async_trait]
impl Consumer for Republished {
    fn group(&self) -> &'static str {
        "progress.republished"
    }

    fn wants(&self, event_type: &str) -> bool {
        matches!(event_type, PUBLISHED | DROPPED)
    }

    /// A republish locks all open learners of its course.
    fn batch(&self) -> usize {
        5
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        match event.event_type.as_str() {
            PUBLISHED => published(tx, event.read()?).await,
            _ => dropped(tx, event.read()?).await,
        }
    }
}

async fn published(tx: &mut PgConnection, event: CoursePublished) -> Result<()> {
    // Stored before the locks: see `completion::newest`.
    let newest = sqlx::query!(
        "insert into progress.published as p (course_id, version) values ($1, $2)
         on conflict (course_id) do update set version = excluded.version where p.version < excluded.version",
        event.course_id,
        event.version
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if newest == 0 {
        return Ok(());
    }
    // All open learners of the course, in one order, so that who is writing a fact right now has committed it.
    sqlx::query!(
        "select enrollment_id from progress.enrollments
         where course_id = $1 and completed_at is null order by enrollment_id for update",
        event.course_id
    )
    .fetch_all(&mut *tx)
    .await?;
    let finished = sqlx::query_scalar!(
        "select e.enrollment_id from progress.enrollments e
         where e.course_id = $1 and e.completed_at is null and not exists (
             select from progress.course_lessons l where l.course_id = $1 and l.version = $2 and not exists (
                 select from progress.progress p
                 where p.enrollment_id = e.enrollment_id and p.lesson_id = l.lesson_id))
         order by e.enrollment_id",
        event.course_id,
        event.version
    )
    .fetch_all(&mut *tx)
    .await?;
    for enrollment_id in finished {
        let Some(mut enrollment) = enrollments::lock(tx, enrollment_id.into()).await? else {
            continue;
        };
        let standing = Standing::read(tx, &enrollment, event.version).await?;
        completion::settle(tx, &mut enrollment, &standing, &event.title).await?;
    }
    // Facts are kept by lesson, so older versions tell nothing; the one before is what a request under way was told.
    sqlx::query!(
        "delete from progress.course_lessons where course_id = $1 and version < (
             select max(version) from progress.course_lessons where course_id = $1 and version < $2)",
        event.course_id,
        event.version
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn dropped(tx: &mut PgConnection, event: EnrollmentDropped) -> Result<()> {
    // The learner's row before the note, as everywhere.
    enrollments::lock(&mut *tx, event.enrollment_id.into()).await?;
    sqlx::query!(
        "insert into progress.drops as d (enrollment_id, epoch, announced) values ($1, $2, true)
         on conflict (enrollment_id) do update set epoch = excluded.epoch, announced = true
         where d.epoch <= excluded.epoch",
        event.enrollment_id,
        event.epoch
    )
    .execute(tx)
    .await?;
    Ok(())
}
