//! How long versions stay: superseded ones lose files, vectors and index after a while, their chunks stay for ever;
//! discarded ones are swept once more for what slipped in late; broken uploads go. A Temporal Schedule asks for a sweep
//! every hour.

use async_trait::async_trait;
use smartcourse_platform::{
    Result, config,
    engines::files::FilePath,
    events::{Consumer, Event},
};
use smartcourse_proto::{
    content::Part,
    events::CoursePublished,
    ids::{CourseId, VersionId},
};
use sqlx::{PgConnection, PgPool};

use crate::{
    Deps,
    ops::discard::{ALL, remove, remove_file},
};

/// Versions and uploads one sweep takes, so that each sweep ends.
const BATCH: i64 = 100;

/// Hears of flips and says when older versions may go.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    versions: i32,
    hours: i32,
}

impl Retention {
    /// With the configured number of versions and hours.
    pub fn new(config: &config::Content) -> Self {
        Self {
            versions: config.retain_versions,
            hours: config.retain_hours,
        }
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
            "update content.versions v set retire_after = now() + make_interval(hours => $4)
             from (select course_id, version, row_number() over (order by version desc) as place
                   from content.versions where course_id = $1 and version < $2 and state = 'open') older
             where v.course_id = older.course_id and v.version = older.version and older.place > $3
               and v.retire_after is null",
            published.course_id,
            published.version,
            i64::from(self.versions),
            self.hours
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

/// Removes what nobody needs any more; answers how many versions and uploads it went over.
///
/// # Errors
/// When an engine does not answer; what was removed until then stays removed.
pub(crate) async fn sweep(pool: &PgPool, deps: &Deps) -> Result<usize> {
    Ok(retire(pool, deps).await? + sweep_discarded(pool, deps).await? + sweep_uploads(pool, deps).await?)
}

/// Superseded versions whose time has come. Their rows are held, so that nothing is written for them meanwhile.
async fn retire(pool: &PgPool, deps: &Deps) -> Result<usize> {
    let mut count = 0;
    loop {
        let mut tx = pool.begin().await?;
        let due = sqlx::query!(
            "select course_id, version from content.versions
             where state = 'open' and retired_at is null and retire_after <= now()
             order by retire_after limit 1 for update skip locked"
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = due else { return Ok(count) };
        let version = VersionId {
            course_id: CourseId(row.course_id),
            version: row.version,
        };
        for part in [Part::Index, Part::Vectors, Part::Files] {
            remove(pool, deps, version, part).await?;
        }
        sqlx::query!(
            "update content.versions set retired_at = now(), ai_ready = false where course_id = $1 and version = $2",
            row.course_id,
            row.version
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        count += 1;
    }
}

/// Discarded versions of the last day: an engine may have finished a write after its caller was gone.
async fn sweep_discarded(pool: &PgPool, deps: &Deps) -> Result<usize> {
    let rows = sqlx::query!(
        "select course_id, version from content.versions
         where state = 'discarded' and discarded_at > now() - interval '1 day' order by discarded_at desc limit $1",
        BATCH
    )
    .fetch_all(pool)
    .await?;
    for row in &rows {
        let version = VersionId {
            course_id: CourseId(row.course_id),
            version: row.version,
        };
        for part in ALL {
            remove(pool, deps, version, part).await?;
        }
    }
    Ok(rows.len())
}

/// Uploads whose process died: no upload takes a day.
async fn sweep_uploads(pool: &PgPool, deps: &Deps) -> Result<usize> {
    let keys = sqlx::query_scalar!(
        "select storage_key from content.uploads where started_at < now() - interval '1 day' order by started_at limit $1",
        BATCH
    )
    .fetch_all(pool)
    .await?;
    for key in &keys {
        remove_file(&deps.files, &FilePath::from(key.as_str())).await?;
        sqlx::query!("delete from content.uploads where storage_key = $1", key)
            .execute(pool)
            .await?;
    }
    Ok(keys.len())
}
