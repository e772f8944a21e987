//! What nobody needs any more: superseded versions go after a while, but for the content the course service keeps and the
//! files it names, from which they can be restored; discarded ones are swept until no write for them is under way; broken,
//! uncompleted and unused uploads, unfinished files, embeddings and transcripts go. A Temporal Schedule asks for it every hour.

use std::time::Duration;

use smartcourse_platform::{Result, open_writes, postgres};
use smartcourse_proto::{common::Swept, ids::VersionId};
use sqlx::PgPool;

use crate::{
    Dependencies, State,
    ops::{
        discard::{ALL, remove},
        embed, part_uploads,
        tally::Tally,
        transcribe, unused_uploads,
    },
    store,
    version_lock::scope,
};

/// Discarded versions one sweep goes over again.
const BATCH: i64 = 100;
/// No upload takes as long.
const UPLOAD: Duration = Duration::from_secs(24 * 3600);

/// Removes what nobody needs any more; answers how many versions, uploads and embeddings it went over.
/// Fails when something could not be removed: everything else was, and the next sweep tries again.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let (pool, deps) = (&state.pool, &state.deps);
    let mut tally = Tally::default();
    retire(pool, deps, &mut tally).await?;
    sweep_discarded(pool, deps, &mut tally).await?;
    sweep_uploads(pool, deps, &mut tally).await?;
    part_uploads::sweep(state, deps.clock.now() - UPLOAD, &mut tally).await?;
    unused_uploads::sweep(state, &mut tally).await?;
    if let Err(error) = deps.files.sweep().await {
        tally.note("unfinished files", Err(error));
    }
    let forgotten = embed::forget(state).await? + transcribe::forget(state).await?;
    Ok(Swept {
        removed: tally.finish()? as u64 + forgotten,
    })
}

/// Superseded versions whose time has come, each once.
async fn retire(pool: &PgPool, deps: &Dependencies, tally: &mut Tally) -> Result<()> {
    let due = sqlx::query!(
        "select course_id, version from content.versions
         where state = 'open' and retired_at is null and retire_after <= $1 order by retire_after",
        deps.clock.now()
    )
    .fetch_all(pool)
    .await?;
    for row in due {
        let version = VersionId::new(row.course_id, row.version);
        tally.note(&named(version), retire_one(pool, deps, version).await);
    }
    Ok(())
}

/// The version's row is held, so that nothing is written for it meanwhile; somebody else's is theirs to retire.
async fn retire_one(pool: &PgPool, deps: &Dependencies, version: VersionId) -> Result<()> {
    let mut tx = postgres::begin(pool).await?;
    postgres::be_patient(&mut tx).await?;
    let ours = sqlx::query!(
        "select version from content.versions
         where course_id = $1 and version = $2 and state = 'open' and retired_at is null for update skip locked",
        version.course_id.0,
        version.version
    )
    .fetch_optional(&mut *tx)
    .await?;
    if ours.is_none() {
        return Ok(());
    }
    // Whoever restores the version publishes them again.
    sqlx::query!(
        "update content.assets a set superseded = true from content.version_assets v
         where v.course_id = $1 and v.version = $2 and a.id = v.asset_id and not a.superseded",
        version.course_id.0,
        version.version
    )
    .execute(&mut *tx)
    .await?;
    for part in ALL {
        remove(pool, deps, version, part).await?;
    }
    sqlx::query!(
        "update content.versions set retired_at = now(), ai_ready = false where course_id = $1 and version = $2",
        version.course_id.0,
        version.version
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

fn named(version: VersionId) -> String {
    format!("version {} of course {}", version.version, version.course_id.0)
}

/// Discarded versions that were not yet gone over in peace: an engine may have finished a write after its caller was gone.
async fn sweep_discarded(pool: &PgPool, deps: &Dependencies, tally: &mut Tally) -> Result<()> {
    let rows = sqlx::query!(
        "select course_id, version from content.versions
         where discarded_at is not null and swept_at is null order by discarded_at limit $1",
        BATCH
    )
    .fetch_all(pool)
    .await?;
    for row in rows {
        let version = VersionId::new(row.course_id, row.version);
        tally.note(&named(version), remove_all(pool, deps, version).await);
    }
    Ok(())
}

/// No write begins for a discarded version, so once none is open before everything is removed, nothing comes back.
async fn remove_all(pool: &PgPool, deps: &Dependencies, version: VersionId) -> Result<()> {
    let under_way = open_writes::any(pool, &scope(version)).await?;
    for part in ALL {
        remove(pool, deps, version, part).await?;
    }
    if !under_way {
        sqlx::query!(
            "update content.versions set swept_at = now() where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .execute(pool)
        .await?;
    }
    Ok(())
}

/// Uploads whose process died.
async fn sweep_uploads(pool: &PgPool, deps: &Dependencies, tally: &mut Tally) -> Result<()> {
    let keys = sqlx::query_scalar!(
        "select storage_key from content.uploads where started_at < $1 order by started_at",
        deps.clock.now() - UPLOAD
    )
    .fetch_all(pool)
    .await?;
    for key in keys {
        let outcome = store::remove_upload(pool, deps, &key).await;
        tally.note(&format!("the broken upload {key}"), outcome);
    }
    Ok(())
}
