//! What rows name in the stores that take part in no transaction of theirs: documents and files that have to be there.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use smartcourse_platform::{self as platform, ports::documents::Documents};
use sqlx::PgConnection;

/// Documents that are asked for by one question, and questions at a time.
const BATCH: usize = 32;
const AT_ONCE: usize = 8;

/// A collection of documents.
pub(crate) struct Collection {
    pub(crate) name: &'static str,
    /// What it has, as people call it.
    pub(crate) told: &'static str,
    named: &'static str,
}

/// Every collection there is.
pub(crate) const COLLECTIONS: [Collection; 3] = [
    Collection {
        name: smartcourse_course::DOCUMENTS,
        told: "drafts and versions have their content",
        named: "select draft_key, true from course.courses where draft_key <> ''
                union select draft_key, true from course.publish_attempts
                    where state in ('accepted', 'running', 'cancelling') and draft_key <> ''
                union select document_key, true from course.versions where state <> 'aborted'",
    },
    Collection {
        name: smartcourse_content::DOCUMENTS,
        told: "lessons have their text",
        named: "select format('%s/v%s/%s', l.course_id, l.version, l.lesson_id), true
                from content.lessons l join content.versions v using (course_id, version)
                where l.chunk_count > 0 and v.state = 'open' and v.retired_at is null
                    and (v.retire_after is null or v.retire_after > now())",
    },
    Collection {
        name: smartcourse_assistant::DOCUMENTS,
        told: "conversations have their turns",
        // The first turn may wait in the row.
        named: "select user_id || '/' || id, pending is null from assistant.conversations where deleted_at is null",
    },
];

impl Collection {
    /// The keys that rows name, and of each whether it is there for certain.
    pub(crate) async fn named(&self, connection: &mut PgConnection) -> Result<BTreeMap<String, bool>> {
        let rows: Vec<(String, bool)> = sqlx::query_as(self.named).fetch_all(connection).await?;
        Ok(rows.into_iter().collect())
    }

    /// Those of these documents that are there, some at a time.
    pub(crate) fn found<'s>(
        &self,
        keys: &'s [String],
        store: &'s dyn Documents,
    ) -> impl Stream<Item = platform::Result<Vec<(String, Value)>>> + 's {
        let name = self.name;
        let asked = keys.chunks(BATCH).map(move |batch| store.get_many(name, batch));
        stream::iter(asked).buffer_unordered(AT_ONCE)
    }

    /// Those of these documents that are not there.
    pub(crate) async fn lacking(&self, keys: &[String], store: &dyn Documents) -> Result<BTreeSet<String>> {
        let mut lacking: BTreeSet<String> = keys.iter().cloned().collect();
        let mut found = self.found(keys, store);
        while let Some(batch) = found.try_next().await? {
            for (key, _) in batch {
                lacking.remove(&key);
            }
        }
        Ok(lacking)
    }
}

/// A file that is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) key: String,
    /// Its bytes, where a row says how many.
    pub(crate) size: Option<u64>,
    /// What is in it, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// The files that rows name. Uploads that are under way are left out: nothing depends on them, and they begin again.
pub(crate) async fn files(connection: &mut PgConnection) -> Result<Vec<File>> {
    let rows: Vec<(String, Option<i64>, String)> = sqlx::query_as(
        "select storage_key, size_bytes, sha256 from content.assets a
             where exists (select from course.courses c where c.id = a.course_id)
         union select f.storage_key, f.size_bytes, f.sha256
             from content.version_assets f join content.versions v using (course_id, version)
             where v.state = 'open' and v.retired_at is null and (v.retire_after is null or v.retire_after > now())
         union select 'events/' || month || '.jsonl.gz', null, sha256 from platform.event_archives
         order by 1",
    )
    .fetch_all(connection)
    .await?;
    let file = |(key, size, sha256): (_, Option<i64>, _)| File {
        key,
        size: size.map(i64::unsigned_abs),
        sha256,
    };
    Ok(rows.into_iter().map(file).collect())
}
