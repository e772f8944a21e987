//! Step 3 of a publish: the files a version names are there, and each is copied to the version's own place.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use smartcourse_platform::{Error, Result, fault, postgres};
use smartcourse_proto::{content::CopiedAssets, ids::VersionId};

use crate::{
    State,
    lesson::{asset_ids, count},
    lesson_source::missing,
    store::{self, AssetRow},
    version_lock::{self, Write},
};

/// First key of the advisory lock: "copy". The second is the course.
const COPY: i32 = 0x636f_7079;

/// Every file the lessons name exists for this course.
pub(crate) async fn check(state: &State, version: VersionId) -> Result<()> {
    named(state, version).await.map(drop)
}

/// The files a version names, each once.
async fn named(state: &State, version: VersionId) -> Result<Vec<AssetRow>> {
    let saved = state.saved(version).await?;
    let content = &saved.content;
    let mut known = store::assets_of(&state.pool, content).await?;
    let mut ids = BTreeSet::new();
    for lesson in content.modules.iter().flat_map(|module| &module.lessons) {
        for id in asset_ids(lesson) {
            if !known.contains_key(id) {
                return Err(missing(lesson, id));
            }
            ids.insert(id);
        }
    }
    Ok(ids.into_iter().filter_map(|id| known.remove(id)).collect())
}

/// Copies what is not there yet; a file counts once its bytes were read back and found right.
pub(crate) async fn copy_all(state: &State, version: VersionId) -> Result<CopiedAssets> {
    version_lock::require_open(&state.pool, version).await?;
    let assets = named(state, version).await?;
    for asset in &assets {
        copy(state, version, asset).await?;
    }
    Ok(CopiedAssets {
        count: count(assets.len()),
    })
}

async fn copy(state: &State, version: VersionId, asset: &AssetRow) -> Result<()> {
    let mut write = Write::begin(state, version).await?;
    let tx = &mut write.tx;
    postgres::be_patient(tx).await?;
    // A try that was given up may still be at it: one at a time, or it takes away what this one has copied.
    postgres::lock(tx, COPY, version.course_id.0).await?;
    let done = sqlx::query_scalar!(
        "select exists (select 1 from content.version_assets
                        where course_id = $1 and version = $2 and asset_id = $3 and sha256 = $4) as \"exists!\"",
        version.course_id.0,
        version.version,
        asset.id,
        asset.sha256
    )
    .fetch_one(&mut **tx)
    .await?;
    let files = &state.deps.files;
    let key = format!("{}/{}", store::files_prefix(version), asset.id);
    let size = u64::try_from(asset.size_bytes).unwrap_or_default();
    if done && files.size(&key).await? == Some(size) {
        return write.commit().await;
    }
    files.copy(&asset.storage_key, &key).await.map_err(|error| {
        // The row says that the file is there, so a store without it is a fault of ours and not a wrong request.
        Error::internal(format!("the file {} cannot be copied", asset.id)).because(error)
    })?;
    fault::point("content.upload_assets", "after_copy");
    verify(state, &key, asset).await?;
    sqlx::query!(
        "insert into content.version_assets (course_id, version, asset_id, storage_key, sha256, size_bytes)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (course_id, version, asset_id) do update set storage_key = $4, sha256 = $5, size_bytes = $6",
        version.course_id.0,
        version.version,
        asset.id,
        key,
        asset.sha256,
        asset.size_bytes
    )
    .execute(&mut **tx)
    .await?;
    fault::point("content.upload_assets", "before_commit");
    write.commit().await?;
    fault::point("content.upload_assets", "after_commit");
    Ok(())
}

/// Reads a copy back and compares it with what was uploaded.
async fn verify(state: &State, key: &str, asset: &AssetRow) -> Result<()> {
    let mut bytes = state.deps.files.read(key).await?;
    let mut hasher = Sha256::new();
    let mut size = 0_usize;
    while let Some(chunk) = bytes.try_next().await? {
        size += chunk.len();
        hasher.update(&chunk);
    }
    if i64::try_from(size) != Ok(asset.size_bytes) || HEXLOWER.encode(&hasher.finalize()) != asset.sha256 {
        let detail = format!("the copy of {} differs from its upload", asset.id);
        return Err(Error::internal(detail));
    }
    Ok(())
}
