//! The files of a course that was deleted: removed in the background, since storage may be slow and a course is not.

use std::sync::Arc;

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    ports::files::Files,
    tasks::{Handler, Outcome, Task},
};
use smartcourse_proto::ids::CourseId;
use sqlx::{PgConnection, PgPool};

use crate::part_upload;

/// Kind of the task; its payload is the id of the course.
pub(crate) const REMOVE_FILES: &str = "content.remove_files";

/// Removes them.
pub struct FileRemoval {
    pool: PgPool,
    files: Arc<dyn Files>,
}

impl FileRemoval {
    /// Over a pool of schema `content` and the files.
    pub fn new(pool: PgPool, files: Arc<dyn Files>) -> Self {
        Self { pool, files }
    }
}

#[async_trait]
impl Handler for FileRemoval {
    fn kind(&self) -> &'static str {
        REMOVE_FILES
    }

    /// A file that is gone already stays gone, so a second run goes on where the first one died.
    async fn handle(&self, task: &Task) -> Result<()> {
        let course_id: CourseId = task.read()?;
        let keys = sqlx::query_scalar!(
            "select storage_key from content.assets where course_id = $1",
            course_id.0
        )
        .fetch_all(&self.pool)
        .await?;
        for key in keys {
            self.files.delete(&key).await?;
        }
        self.files
            .delete_prefix(&part_upload::course_prefix(course_id))
            .await?;
        Ok(())
    }

    /// The rows go with the end of the task: until then they say what is left to do.
    async fn settle(&self, tx: &mut PgConnection, task: &Task, outcome: Outcome<'_>) -> Result<()> {
        if let Outcome::Done = outcome {
            let course_id: CourseId = task.read()?;
            sqlx::query!(
                "delete from content.assets a where course_id = $1 and not exists (
                     select from content.version_assets v where v.asset_id = a.id)",
                course_id.0
            )
            .execute(&mut *tx)
            .await?;
            // A part may still come: the sweep looks again.
            sqlx::query!(
                "update content.part_uploads set ended_at = now() where course_id = $1 and ended_at is null",
                course_id.0
            )
            .execute(tx)
            .await?;
        }
        Ok(())
    }
}
