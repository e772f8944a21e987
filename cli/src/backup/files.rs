//! Files, each a part of its own. What a file has in it never changes, so one that the back-up before has is linked, unread.

use anyhow::Result;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use smartcourse_platform::ports::files::Files;
use sqlx::PgConnection;

use super::place::Place;
use crate::{
    check::named::{self, File},
    engines,
};

/// Files that are copied at once.
const AT_ONCE: usize = 4;

fn part(key: &str) -> String {
    format!("files/{key}")
}

/// Brings those that rows name and are not there yet; answers what nobody has.
pub(super) async fn bring(
    mut named: Vec<File>,
    store: &dyn Files,
    place: &mut Place,
    earlier: Option<&Place>,
) -> Result<Vec<String>> {
    named.retain(|file| !place.sums.contains_key(&part(&file.key)));
    let into = &*place;
    let brought: Vec<(File, bool)> = stream::iter(named)
        .map(async |file| {
            let is_whole = is_brought(&file, store, into, earlier).await?;
            anyhow::Ok((file, is_whole))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut missing = Vec::new();
    for (file, is_whole) in brought {
        match is_whole {
            true => drop(place.sums.insert(part(&file.key), file.sha256)),
            false => missing.push(format!("the file {}: nobody has it whole", file.key)),
        }
    }
    Ok(missing)
}

/// Whether the file is there now as it was uploaded.
async fn is_brought(file: &File, store: &dyn Files, place: &Place, earlier: Option<&Place>) -> Result<bool> {
    let part = part(&file.key);
    // By a back-up that was killed.
    if place.digest(&part).await?.as_ref() == Some(&file.sha256) {
        return Ok(true);
    }
    if let Some(earlier) = earlier
        && earlier.sums.get(&part) == Some(&file.sha256)
        && let Some(size) = place.store.size(&earlier.key(&part)).await?
        && file.size.is_none_or(|expected| size == expected)
    {
        match place.store.copy(&earlier.key(&part), &place.key(&part)).await {
            Ok(()) => return Ok(true),
            Err(error) => {
                tracing::debug!(error = %error.chain(), "no links on this disk: the file is copied")
            }
        }
    }
    engines::copy((store, &file.key), (&place.store, &place.key(&part)), "backup").await?;
    Ok(place.digest(&part).await?.as_ref() == Some(&file.sha256))
}

/// How many there are.
pub(super) fn count(place: &Place) -> usize {
    let parts = place.sums.keys();
    parts.filter(|name| name.starts_with(&part(""))).count()
}

/// Brings those that these rows name to a store that does not have them; answers how many.
pub(super) async fn restore(rows: &mut PgConnection, store: &dyn Files, place: &Place) -> Result<u64> {
    let mut named = named::files(rows).await?;
    named.retain(|file| place.sums.contains_key(&part(&file.key)));
    let copies = stream::iter(named).map(async |File { key, .. }| {
        let from = place.key(&part(&key));
        if store.size(&key).await? == place.store.size(&from).await? {
            return anyhow::Ok(0);
        }
        engines::copy((&place.store, &from), (store, &key), "restore").await?;
        Ok(1)
    });
    copies
        .buffer_unordered(AT_ONCE)
        .try_fold(0, async |count, one| Ok(count + one))
        .await
}
