//! The documents of chunks, one per lesson of a version.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use smartcourse_platform::{Error, Result, error::to_json, ports::documents::Documents};
use smartcourse_proto::ids::VersionId;

use crate::{chunk::Chunk, store::LessonRow};

/// Collection of chunks, one document per lesson of a version.
pub const CHUNKS: &str = "content.chunks";
/// Documents that are read at once.
pub(crate) const READ_BATCH: usize = 32;

pub(crate) fn chunks_prefix(version: VersionId) -> String {
    format!("{}/v{}/", version.course_id, version.version)
}

pub(crate) fn chunks_key(version: VersionId, lesson_id: &str) -> String {
    format!("{}{lesson_id}", chunks_prefix(version))
}

#[derive(Serialize, Deserialize)]
struct Body {
    chunks: Vec<Chunk>,
}

pub(crate) async fn put_chunks(
    documents: &dyn Documents,
    version: VersionId,
    lesson_id: &str,
    chunks: Vec<Chunk>,
) -> Result<()> {
    let body = to_json(&Body { chunks })?;
    let key = chunks_key(version, lesson_id);
    documents.put(CHUNKS, &key, &body).await
}

/// Reads the chunks of some lessons, by document key; lessons without a document are absent.
pub(crate) async fn chunks_by_key(
    documents: &dyn Documents,
    keys: &[String],
) -> Result<HashMap<String, Vec<Chunk>>> {
    let mut found = HashMap::with_capacity(keys.len());
    for batch in keys.chunks(READ_BATCH) {
        for (key, body) in documents.get_many(CHUNKS, batch).await? {
            let body: Body = serde_json::from_value(body).map_err(|error| {
                Error::internal(format!("the chunk document {key} is broken")).because(error)
            })?;
            found.insert(key, body.chunks);
        }
    }
    Ok(found)
}

/// Reads the chunks of lessons that must have some, in the order asked.
pub(crate) async fn chunks_of(
    documents: &dyn Documents,
    version: VersionId,
    lessons: &[LessonRow],
) -> Result<Vec<Vec<Chunk>>> {
    let keys = lessons
        .iter()
        .map(|lesson| chunks_key(version, &lesson.lesson_id));
    let keys: Vec<String> = keys.collect();
    let mut found = chunks_by_key(documents, &keys).await?;
    let missing = |key| Error::internal(format!("the chunk document {key} is missing"));
    keys.iter()
        .map(|key| found.remove(key).ok_or_else(|| missing(key)))
        .collect()
}
