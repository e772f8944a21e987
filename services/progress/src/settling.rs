//! A republish that removes the last open lesson completes the course for whoever had done the rest.
//!
//! A course may have any number of learners, so a chain of background tasks looks at them, a page each, in the order of
//! their ids. A page is locked, so that who is writing a fact right now has committed it; who writes later counts against
//! the version by itself ([`completion::newest`]). A page that is run again finds those it completed completed, and the next page
//! asked for. A newer version ends the chain: its own looks at everybody.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use smartcourse_platform::{
    Result, fault, postgres,
    tasks::{self, Handler, Outcome, Task},
};
use smartcourse_proto::events::CoursePublished;
use sqlx::{PgConnection, PgPool, types::Uuid};

use crate::{completion, enrollments::Enrollment};

const KIND: &str = "progress.settle";

/// Learners in one transaction: those who finish a lesson meanwhile wait for it.
const PAGE: i64 = 100;
/// Pause before each page but the first, so that the learners of other courses, and what follows each completion, have most of
/// the machine: ten thousand learners take two minutes.
const PAUSE: Duration = Duration::from_secs(1);

/// Open learners of a course from this enrollment on, against this version.
#[derive(Debug, Serialize, Deserialize)]
struct Page {
    course_id: i64,
    version: i32,
    title: String,
    /// Enrollments up to this one have been looked at.
    after: i64,
}

/// The first page of a version, asked for by the event of its flip.
pub(crate) fn task(event: Uuid, published: &CoursePublished) -> Result<Task> {
    let page = Page {
        course_id: published.course_id,
        version: published.version,
        title: published.title.clone(),
        after: 0,
    };
    Task::new(event, KIND, &page)
}

/// Looks at the learners of a course that was published again.
pub struct Settling(PgPool);

impl Settling {
    /// Over a pool of schema `progress`.
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

#[async_trait]
impl Handler for Settling {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn handle(&self, task: &Task) -> Result<()> {
        let page: Page = task.read()?;
        if page.after > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let mut tx = postgres::begin(&self.0).await?;
        let locked = lock(&mut tx, &page).await?;
        let mut finished = finished(&mut tx, &page, &locked).await?;
        completion::complete(&mut tx, &mut finished, page.version, &page.title).await?;
        if let Some(last) = locked.last().filter(|_| locked.len() as i64 == PAGE) {
            let next = Page { after: *last, ..page };
            tasks::put(&mut tx, &task.next(&next)?).await?;
        }
        fault::commit(tx, KIND).await
    }

    async fn settle(&self, _: &mut PgConnection, _: &Task, _: Outcome<'_>) -> Result<()> {
        Ok(())
    }
}

/// Locks the learners of a page; none when there is a newer version.
async fn lock(tx: &mut PgConnection, page: &Page) -> Result<Vec<i64>> {
    Ok(sqlx::query_scalar!(
        "select enrollment_id from progress.enrollments
         where course_id = $1 and completed_at is null and enrollment_id > $3
           and exists (select from progress.published where course_id = $1 and version = $2)
         order by enrollment_id limit $4 for update",
        page.course_id,
        page.version,
        page.after,
        PAGE
    )
    .fetch_all(tx)
    .await?)
}

/// Those of them who have done every lesson and have not left. A statement of its own: it sees what was written while the
/// locks were waited for. A version whose lessons went meanwhile is complete for nobody.
async fn finished(tx: &mut PgConnection, page: &Page, locked: &[i64]) -> Result<Vec<Enrollment>> {
    Ok(sqlx::query_as!(
        Enrollment,
        r#"select enrollment_id, epoch, course_id, user_id, completed_at, false as "dropped!"
           from progress.enrollments e
           where enrollment_id = any($3)
             and not exists (select from progress.drops d where d.enrollment_id = e.enrollment_id and d.epoch >= e.epoch)
             and exists (select from progress.course_lessons where course_id = $1 and version = $2)
             and not exists (
                 select from progress.course_lessons l where l.course_id = $1 and l.version = $2 and not exists (
                     select from progress.progress p
                     where p.enrollment_id = e.enrollment_id and p.lesson_id = l.lesson_id))
           order by enrollment_id"#,
        page.course_id,
        page.version,
        locked
    )
    .fetch_all(tx)
    .await?)
}
