//! The events this service acts on.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    clock::Clock,
    config::Config,
    events::{Consumer, Event},
    tasks::{self, Task},
};
use smartcourse_proto::events::{CourseDeleted, CoursePublished};
use sqlx::PgConnection;

use crate::{config::Content, tasks::REMOVE_FILES};

/// Hears of flips and says when older versions may go.
pub struct Retention {
    versions: i32,
    retain: Duration,
    clock: Arc<dyn Clock>,
}

impl Retention {
    /// With the configured number of versions and hours.
    ///
    /// # Errors
    /// When the settings of content were not declared.
    pub fn new(config: &Config, clock: Arc<dyn Clock>) -> Result<Self> {
        let settings: Content = config.section()?;
        Ok(Self {
            versions: settings.retain_versions,
            retain: Duration::from_secs(3600 * u64::try_from(settings.retain_hours).unwrap_or_default()),
            clock,
        })
    }
}

#[async_trait]
impl Consumer for Retention {
    fn group(&self) -> &'static str {
        "content.retention"
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type == "course.published"
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        let published: CoursePublished = event.read()?;
        sqlx::query!(
            "update content.versions v set retire_after = $4
             from (select course_id, version, row_number() over (order by version desc) as place
                   from content.versions where course_id = $1 and version < $2 and state = 'open') older
             where v.course_id = older.course_id and v.version = older.version and older.place > $3
               and v.retire_after is null",
            published.course_id,
            published.version,
            i64::from(self.versions),
            self.clock.now() + self.retain
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Hears of deletions and asks for the removal of their files.
#[derive(Debug, Clone, Copy)]
pub struct Deletions;

#[async_trait]
impl Consumer for Deletions {
    fn group(&self) -> &'static str {
        "content.deletions"
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type == "course.deleted"
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        let deleted: CourseDeleted = event.read()?;
        tasks::put(tx, &Task::new(event.id, REMOVE_FILES, &deleted.course_id)?).await?;
        Ok(())
    }
}
