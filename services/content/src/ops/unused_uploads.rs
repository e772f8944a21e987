//! Uploaded files that neither a draft nor a version names.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use smartcourse_platform::{Result, error::codes, postgres};
use smartcourse_proto::ids::CourseId;

use crate::{State, lesson, ops::tally::Tally};

/// Files one sweep looks at; the next one goes on.
const BATCH: i64 = 10_000;
/// A file is looked at once in this time.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Asks for the draft of each course that has files no version has, and removes those it has not named for long.
pub(crate) async fn sweep(state: &State, tally: &mut Tally) -> Result<()> {
    let due = sqlx::query!(
        "select id, course_id from content.assets a
         where not superseded and coalesce(looked_at, created_at) < $1
           and not exists (select from content.version_assets v where v.asset_id = a.id)
         order by coalesce(looked_at, created_at) limit $2",
        state.deps.clock.now() - DAY,
        BATCH
    )
    .fetch_all(&state.pool)
    .await?;
    let mut courses = BTreeMap::<i64, Vec<String>>::new();
    for row in due {
        courses.entry(row.course_id).or_default().push(row.id);
    }
    for (course_id, ids) in courses {
        match look(state, course_id.into(), ids).await {
            Ok(unused) => {
                for id in unused {
                    tally.note(&format!("the unused file {id}"), remove(state, &id).await);
                }
            }
            Err(error) => tally.note(&format!("the unused files of course {course_id}"), Err(error)),
        }
    }
    Ok(())
}

/// Notes which of these files the draft names; answers those it has not named for long.
async fn look(state: &State, course_id: CourseId, ids: Vec<String>) -> Result<Vec<String>> {
    let content = match state.manifest(course_id, 0).await {
        Ok((_, content)) => content,
        // A course that was deleted while a file was on its way to it.
        Err(error) if error.is(&codes::NOT_FOUND) => Default::default(),
        Err(error) => return Err(error),
    };
    let lessons = content.modules.iter().flat_map(|module| &module.lessons);
    let named: BTreeSet<&str> = lessons.flat_map(lesson::asset_ids).collect();
    let (used, unused): (Vec<String>, Vec<String>) =
        ids.into_iter().partition(|id| named.contains(id.as_str()));
    let now = state.deps.clock.now();
    let gone = sqlx::query_scalar!(
        "with used as (
             update content.assets set looked_at = $3, unused_since = null where id = any($1)),
         unused as (
             update content.assets set looked_at = $3, unused_since = coalesce(unused_since, $3) where id = any($2)
             returning id, unused_since)
         select id from unused where unused_since <= $4",
        &used,
        &unused,
        now,
        now - state.keep_unused_uploads
    )
    .fetch_all(&state.pool)
    .await?;
    Ok(gone)
}

/// The row is gone once the file is; a version that takes the file up meanwhile keeps both.
async fn remove(state: &State, id: &str) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    postgres::be_patient(&mut tx).await?;
    let key = sqlx::query_scalar!(
        "delete from content.assets a where id = $1
             and not exists (select from content.version_assets v where v.asset_id = a.id)
         returning storage_key",
        id
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(key) = key {
        state.deps.files.delete(&key).await?;
    }
    tx.commit().await?;
    Ok(())
}
