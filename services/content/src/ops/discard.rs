//! Undoing a version: a tombstone first, then what was written before it.

use smartcourse_platform::{Result, fault, postgres};
use smartcourse_proto::ids::VersionId;
use sqlx::PgPool;

use crate::{
    Dependencies, State,
    documents::{CHUNKS, chunks_prefix},
    store::files_prefix,
};

/// What is removed by itself: each step of a publish undoes what it wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Files,
    Chunks,
    Vectors,
    Index,
}

pub(crate) const ALL: [Part; 4] = [Part::Index, Part::Vectors, Part::Chunks, Part::Files];

pub(crate) async fn discard(state: &State, version: VersionId, part: Part) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    // Waits for every write under way (they hold the row shared), so that all of them are seen below.
    sqlx::query!(
        "insert into content.versions as v (course_id, version, model, state, discarded_at)
         values ($1, $2, $3, 'discarded', now())
         on conflict (course_id, version) do update
         set state = 'discarded', ai_ready = false, discarded_at = coalesce(v.discarded_at, now())",
        version.course_id.0,
        version.version,
        state.deps.models.main().model()
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "content.discard").await?;
    state.saved.invalidate(&version).await;
    remove(&state.pool, &state.deps, version, part).await?;
    fault::point("content.discard", "after_delete");
    Ok(())
}

/// Removes a part of a version; what is gone already stays gone.
pub(crate) async fn remove(pool: &PgPool, deps: &Dependencies, version: VersionId, part: Part) -> Result<()> {
    let (course_id, number) = (version.course_id.0, version.version);
    match part {
        Part::Files => {
            deps.files.delete_prefix(&files_prefix(version)).await?;
            sqlx::query!(
                "delete from content.version_assets where course_id = $1 and version = $2",
                course_id,
                number
            )
            .execute(pool)
            .await?;
        }
        Part::Chunks => {
            deps.documents
                .delete_prefix(CHUNKS, &chunks_prefix(version))
                .await?;
            sqlx::query!(
                "delete from content.lessons where course_id = $1 and version = $2",
                course_id,
                number
            )
            .execute(pool)
            .await?;
        }
        Part::Vectors => deps.vectors.delete_version(version).await?,
        Part::Index => deps.search.delete_version(version).await?,
    }
    Ok(())
}
