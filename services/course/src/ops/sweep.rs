//! Documents nobody names: drafts that were replaced, and what an engine may have finished after what it is for was
//! discarded.
//!
//! No write begins for a version that was decided against or for a course that was deleted, so once none is open before
//! their documents are removed, nothing comes back.

use smartcourse_platform::{Result, open_writes, upkeep};
use smartcourse_proto::{common::Swept, ids::CourseId};

use crate::{State, store};

/// Versions, and courses, one sweep goes over at most; the next one goes on.
const BATCH: i64 = 1000;
/// As many batches of drafts, since each edit leaves one.
const ROUNDS: usize = 100;

/// Removes unused drafts, and the documents of discarded versions and deleted courses once more; answers how many of them it
/// is done with.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    Ok(Swept {
        removed: versions(state).await? + deletions(state).await? + drafts(state).await?,
    })
}

/// No attempt pins a draft that no course names, so one that none has pinned stays unused.
async fn drafts(state: &State) -> Result<u64> {
    let round = || async {
        let keys = sqlx::query_scalar!(
            "select draft_key from course.unused_drafts d
             where remove_after < now() and not exists (
                 select from course.publish_attempts a
                 where a.draft_key = d.draft_key and a.state in ('accepted', 'running', 'cancelling'))
             order by remove_after limit $1",
            BATCH
        )
        .fetch_all(&state.pool)
        .await?;
        for key in &keys {
            state.documents.delete(store::CONTENT, key).await?;
        }
        sqlx::query!(
            "delete from course.unused_drafts where draft_key = any($1)",
            &keys
        )
        .execute(&state.pool)
        .await?;
        Ok(keys.len() as u64)
    };
    upkeep::in_rounds(BATCH, ROUNDS, round).await
}

async fn versions(state: &State) -> Result<u64> {
    let mut done = 0;
    let rows = sqlx::query!(
        "select course_id, version, document_key from course.versions
         where state = 'aborted' and swept_at is null order by course_id, version limit $1",
        BATCH
    )
    .fetch_all(&state.pool)
    .await?;
    for row in rows {
        let under_way = open_writes::any(&state.pool, &store::scope(row.course_id.into())).await?;
        state.documents.delete(store::CONTENT, &row.document_key).await?;
        let prefix = format!("{}/", row.document_key);
        state.documents.delete_prefix(store::CONTENT, &prefix).await?;
        if under_way {
            continue;
        }
        sqlx::query!(
            "update course.versions set swept_at = now() where course_id = $1 and version = $2",
            row.course_id,
            row.version
        )
        .execute(&state.pool)
        .await?;
        done += 1;
    }
    Ok(done)
}

async fn deletions(state: &State) -> Result<u64> {
    let mut done = 0;
    let courses = sqlx::query_scalar!(
        "select course_id from course.deletions order by deleted_at limit $1",
        BATCH
    )
    .fetch_all(&state.pool)
    .await?;
    for course_id in courses.into_iter().map(CourseId) {
        let under_way = open_writes::any(&state.pool, &store::scope(course_id)).await?;
        let prefix = store::course_prefix(course_id);
        state.documents.delete_prefix(store::CONTENT, &prefix).await?;
        if under_way {
            continue;
        }
        sqlx::query!("delete from course.deletions where course_id = $1", course_id.0)
            .execute(&state.pool)
            .await?;
        done += 1;
    }
    Ok(done)
}
