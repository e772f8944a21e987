//! What other people's changes mean for learners: a republish may complete the course for whoever had done the rest, which
//! is seen to [in the background](crate::settling); a drop ends that for who has left.
//!
//! One group hears of both, so they take effect in the order in which they happened.

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{Consumer, Event},
    tasks,
};
use smartcourse_proto::events::{CoursePublished, EnrollmentDropped};
use sqlx::{PgConnection, types::Uuid};

use crate::{enrollments, settling};

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

    /// A drop holds the lock of one learner: two at once, in the order of the log, and the tasks of a republish, which hold
    /// many in the order of their ids, could wait for each other.
    fn batch(&self) -> usize {
        1
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        match event.event_type.as_str() {
            PUBLISHED => published(tx, event.id, event.read()?).await,
            _ => dropped(tx, event.read()?).await,
        }
    }
}

async fn published(tx: &mut PgConnection, id: Uuid, event: CoursePublished) -> Result<()> {
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
    tasks::put(tx, &settling::task(id, &event)?).await?;
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
