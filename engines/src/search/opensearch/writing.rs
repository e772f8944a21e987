//! Writing and removing, which are seen by whoever asks later.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use smartcourse_platform::{Error, Result, error::codes, ports::search::Entry};
use smartcourse_proto::ids::VersionId;

use super::{
    OpenSearch,
    documents::{analyzer, document, generation},
    of,
};

/// Bytes of one call that writes, about.
const BATCH: usize = 2 * 1024 * 1024;
/// How often what was not taken of a batch is sent again, and the pause before the first time, which doubles.
const TRIES: u32 = 6;
const PAUSE: Duration = Duration::from_millis(100);
/// Documents removed by one call.
const REMOVED_AT_ONCE: u64 = 10_000;

#[derive(Deserialize)]
struct Bulk {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Indexed,
}

#[derive(Deserialize)]
struct Indexed {
    status: u16,
    #[serde(default)]
    error: Value,
}

#[derive(Deserialize)]
struct Removed {
    total: u64,
    version_conflicts: u64,
}

impl OpenSearch {
    /// Writes a generation of a version, then removes the others; `None` when there is no index.
    pub(super) async fn write(
        &self,
        version: VersionId,
        language: &str,
        entries: &[Entry],
    ) -> Result<Option<()>> {
        let (generation, language) = (generation(language, entries), analyzer(language));
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (number, entry) in entries.iter().enumerate() {
            let id = format!("{version}/{generation}/{number}");
            let document = document(version, &generation, language, entry);
            let line = format!("{}\n{document}\n", json!({ "index": { "_id": id } }));
            bytes += line.len();
            batch.push(line);
            if bytes >= BATCH || number + 1 == entries.len() {
                if self.send(std::mem::take(&mut batch)).await?.is_none() {
                    return Ok(None);
                }
                bytes = 0;
            }
        }
        // What was written is found from here on, by the removal as well.
        let seen: Option<Value> = self
            .server
            .call(Method::POST, &format!("{}/_refresh", self.name()), "")
            .await?;
        if seen.is_none() {
            return Ok(None);
        }
        let mut ours = of(version).to_vec();
        let others =
            json!({ "bool": { "filter": ours, "must_not": { "term": { "generation": generation } } } });
        if self.remove(&others).await?.is_none() {
            return Ok(None);
        }
        ours.push(json!({ "term": { "generation": generation } }));
        // Another writer of this version, who was given up but goes on, may have taken ours for older ones.
        match self.count_of(&ours).await? == entries.len() as i64 {
            true => Ok(Some(())),
            false => {
                let detail = format!("somebody else writes the entries of {version}");
                Err(Error::new(&codes::UNAVAILABLE, detail))
            }
        }
    }

    /// Sends a batch, then again what of it was not taken; `None` when there is no index.
    async fn send(&self, mut lines: Vec<String>) -> Result<Option<()>> {
        let mut pause = PAUSE;
        for _ in 0..TRIES {
            // No write makes an index.
            let path = format!("{}/_bulk?require_alias={}", self.name(), self.index.is_none());
            let sent: Option<Bulk> = self.server.call(Method::POST, &path, lines.concat()).await?;
            let Some(sent) = sent else {
                return Ok(None);
            };
            let mut left = Vec::new();
            for (line, Item { index }) in lines.into_iter().zip(sent.items) {
                match index.status {
                    200..=299 => {}
                    404 => return Ok(None),
                    429 | 500..=599 => left.push(line),
                    status => {
                        let detail = format!(
                            "the search server refuses an entry with {status}: {}",
                            index.error
                        );
                        return Err(Error::internal(detail));
                    }
                }
            }
            if left.is_empty() {
                return Ok(Some(()));
            }
            lines = left;
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(Error::new(
            &codes::UNAVAILABLE,
            "the search server has too much to do",
        ))
    }

    /// Removes documents, and is seen to have; `None` when there is no index.
    pub(super) async fn remove(&self, documents: &Value) -> Result<Option<()>> {
        let path = format!(
            "{}/_delete_by_query?conflicts=proceed&refresh=true&max_docs={REMOVED_AT_ONCE}",
            self.name()
        );
        loop {
            let removed: Option<Removed> = self
                .ask(Method::POST, &path, &json!({ "query": documents }))
                .await?;
            match removed {
                None => return Ok(None),
                // A conflict is one that another removes as well, or has written anew.
                Some(removed) if removed.total < REMOVED_AT_ONCE && removed.version_conflicts == 0 => {
                    return Ok(Some(()));
                }
                Some(_) => {}
            }
        }
    }
}
