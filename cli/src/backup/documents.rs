//! Documents, a line of JSON each.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::TryStreamExt as _;
use serde_json::Value;
use smartcourse_platform::ports::documents::Documents;

use super::{
    place::{Place, line},
    rows::Manifest,
};
use crate::{check::named::Collection, engines};

/// Documents that are restored by one step.
const BATCH: usize = 32;

fn part(collection: &Collection) -> String {
    format!("documents/{}.jsonl", collection.name)
}

/// Writes those that rows name: their keys, and of each whether it is there for certain.
pub(super) async fn write(
    mut named: BTreeMap<String, bool>,
    store: &dyn Documents,
    collection: &Collection,
    place: &mut Place,
    manifest: &mut Manifest,
) -> Result<()> {
    let keys: Vec<String> = named.keys().cloned().collect();
    let part = part(collection);
    let mut writer = place.write(&part).await?;
    let mut found = collection.found(&keys, store);
    while let Some(batch) = found.try_next().await? {
        for document in batch {
            writer.write(line(&document)?).await?;
            named.remove(&document.0);
            manifest.documents += 1;
        }
    }
    place.end(&part, writer).await?;
    named.retain(|_, is_required| *is_required);
    let missing = named.keys();
    let told = |key| format!("the document {key} of {}", collection.name);
    manifest.missing.extend(missing.map(told));
    Ok(())
}

/// Writes those of these keys to a store; answers how many.
pub(super) async fn restore(
    keys: &BTreeSet<String>,
    store: &dyn Documents,
    collection: &Collection,
    place: &Place,
) -> Result<u64> {
    let values = place.values::<(String, Value)>(&part(collection)).await?;
    let mut batches = values
        .try_filter(|(key, _)| std::future::ready(keys.contains(key)))
        .try_chunks(BATCH);
    let mut count = 0;
    while let Some(batch) = batches.try_next().await.map_err(|error| error.1)? {
        count += engines::put(store, collection.name, batch, "restore").await?;
    }
    Ok(count)
}
