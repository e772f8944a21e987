//! Search by OpenSearch: a document for each entry, its words in fields of its version's language, which have that language's
//! analyzer.

mod answers;
mod documents;
mod questions;
mod reindex;
mod writing;

use std::sync::Arc;

use answers::{AFTER, Answer, BEFORE, hit, ranked};
use async_trait::async_trait;
use documents::description;
use http::Method;
use questions::{asked, ranking};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    page,
    ports::search::{Entry, Found, HasWord, Hit, Ranked, Scope, Search},
};
use smartcourse_proto::ids::{CourseId, VersionId};
use smartcourse_retrieval::Analyzer;
use uuid::Uuid;

use super::languages;
use crate::servers::opensearch::Server;

/// The version of the fields.
const FIELDS: u32 = 1;
/// Terms of a question that are ranked by: each may become some in the fields, of which the server takes 1,024 in all.
const MOST_TERMS: usize = 100;
/// Hits of one question at most, all pages together: the server goes no further.
const MAX_HITS: usize = 10_000;

/// An index of a server.
pub struct OpenSearch {
    server: Server,
    /// An index by its name, whatever is behind the alias.
    index: Option<String>,
}

impl OpenSearch {
    /// What is behind the alias of a server.
    pub fn new(server: Server) -> Self {
        Self { server, index: None }
    }

    /// What is asked and written to.
    fn name(&self) -> &str {
        self.index.as_deref().unwrap_or(self.server.alias())
    }

    /// What the server is, and what it has or lacks.
    pub async fn look(&self) -> Result<String> {
        let version = self.server.version().await?;
        Ok(match self.is_there().await? {
            true => version,
            false => {
                let alias = self.server.alias();
                format!("{version}; the index {alias} is not there yet: run `smartcourse migrate`")
            }
        })
    }

    fn no_index(&self) -> Error {
        let name = self.name();
        let detail = format!(
            "the search server has no index {name}: run `smartcourse migrate`, and publish again what it has lost"
        );
        Error::new(&codes::UNAVAILABLE, detail)
    }

    async fn is_there(&self) -> Result<bool> {
        Ok(!self.behind().await?.is_empty())
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> Result<Option<T>> {
        self.server.call(method, path, body.to_string()).await
    }

    /// Asks; an answer of a part of the index is none.
    async fn search(&self, question: &Value, preference: &str) -> Result<Answer> {
        let name = self.name();
        let path = format!("{name}/_search?allow_partial_search_results=false&preference={preference}");
        let answer = self.ask(Method::POST, &path, question).await?;
        answer.ok_or_else(|| self.no_index())
    }

    async fn count_of(&self, filter: &[Value]) -> Result<i64> {
        let question = json!({
            "size": 0,
            "track_total_hits": true,
            "query": { "bool": { "filter": filter } },
        });
        let total = self.search(&question, "").await?.hits.total;
        let total = total.ok_or_else(|| Error::internal("the search server counted nothing"))?;
        Ok(total.value)
    }

    /// The languages of documents: a question is asked in each it may meet.
    async fn languages_of(&self, filter: &[Value]) -> Result<Vec<String>> {
        let question = json!({
            "size": 0,
            "query": { "bool": { "filter": filter } },
            "aggs": { "languages": { "terms": { "field": "language", "size": 100 } } },
        });
        let found = self.search(&question, "").await?.aggregations.remove("languages");
        let buckets = found.map(|found| found.buckets).unwrap_or_default();
        Ok(buckets.into_iter().map(|bucket| bucket.key).collect())
    }
}

#[async_trait]
impl Search for OpenSearch {
    fn place(&self) -> String {
        format!("index {} of OpenSearch at {}", self.name(), self.server.address())
    }

    async fn prepare(&self) -> Result<()> {
        if self.is_there().await? {
            return Ok(());
        }
        // One that was begun beside an index that is gone has its name.
        let mut made: Result<Option<Value>> = Ok(None);
        for name in self.names() {
            let description = description(Some(self.server.alias()));
            made = self.ask(Method::PUT, &name, &description).await;
            // Somebody else may have made it meanwhile.
            if self.is_there().await? {
                return Ok(());
            }
        }
        Err(made.err().unwrap_or_else(|| self.no_index()))
    }

    async fn put_version(&self, version: VersionId, language: &str, entries: &[Entry]) -> Result<()> {
        if self.write(version, language, entries).await?.is_none() {
            if self.index.is_some() {
                return Err(self.no_index());
            }
            // A server that came back empty.
            self.prepare().await?;
            let written = self.write(version, language, entries).await?;
            written.ok_or_else(|| self.no_index())?;
        }
        Ok(())
    }

    async fn candidates(&self, query: &str, lesson_text: bool, limit: i64) -> Result<Vec<CourseId>> {
        let only_courses = (!lesson_text).then(|| json!({ "term": { "lesson_id": "" } }));
        let filter = Vec::from_iter(only_courses);
        let languages = self.languages_of(&filter).await?;
        let question = json!({
            "size": within(0, limit),
            "query": asked(query, &languages, &filter),
            "collapse": { "field": "course_id" },
            "sort": [{ "_score": "desc" }, { "course_id": "desc" }],
            "_source": ["course_id"],
        });
        let found = self.search(&question, "").await?.hits.hits.into_iter();
        Ok(found
            .map(|document| CourseId(document.source.course_id))
            .collect())
    }

    /// The cursor is the number of hits before: one hit for each lesson is what the server has for numbered pages only.
    async fn find(&self, query: &str, scopes: &[Scope], cursor: &str, limit: i64) -> Result<Found> {
        let before: usize = page::decode(cursor)?.unwrap_or_default();
        let scopes: Vec<&str> = scopes.iter().map(Scope::keyword).collect();
        let filter = [json!({ "terms": { "scope": scopes } })];
        let languages = self.languages_of(&filter).await?;
        if languages.is_empty() || before >= MAX_HITS {
            return Ok(Found::default());
        }
        let question = json!({
            "from": before,
            "size": within(before, limit.saturating_add(1)),
            "query": asked(query, &languages, &filter),
            "collapse": { "field": "place" },
            "sort": [{ "_score": "desc" }, { "course_id": "asc" }, { "lesson_id": "asc" }, { "anchor": "asc" }],
            "_source": ["course_id", "version", "lesson_id", "anchor", "title"],
            "highlight": {
                "fields": { "body_*": {} },
                "pre_tags": [BEFORE],
                "post_tags": [AFTER],
                "number_of_fragments": 1,
                "fragment_size": 200,
                "no_match_size": 200,
                "max_analyzer_offset": 1_000_000,
            },
        });
        // The pages of one query are asked of the same copy: each has statistics, and so scores, of its own.
        let preference = Uuid::new_v5(&Uuid::NAMESPACE_OID, query.as_bytes()).to_string();
        let found = self.search(&question, &preference).await?.hits.hits;
        let mut hits: Vec<Hit> = found.into_iter().map(hit).collect::<Result<_>>()?;
        let more = hits.len() as i64 > limit;
        hits.truncate(usize::try_from(limit).unwrap_or_default());
        let next = more.then(|| page::encode(&(before + hits.len()))).flatten();
        Ok(Found { hits, next })
    }

    // It finds words as they are spelt.
    async fn rank(&self, question: &str, _: HasWord<'_>, version: VersionId, limit: i64) -> Result<Ranked> {
        let mut filter = of(version).to_vec();
        filter.push(json!({ "bool": { "must_not": { "term": { "lesson_id": "" } } } }));
        // A version is of one language.
        let Some(language) = self.languages_of(&filter).await?.pop() else {
            return Ok(Ranked::default());
        };
        let of_words = languages::language(&language);
        let mut asked = Analyzer::of(of_words).asked(question);
        asked.truncate(MOST_TERMS);
        let answer = self
            .search(&ranking(&asked, &language, &filter, within(0, limit)), "")
            .await?;
        ranked(answer, asked, of_words)
    }

    async fn count(&self, version: VersionId) -> Result<i64> {
        self.count_of(&of(version)).await
    }

    async fn delete_version(&self, version: VersionId) -> Result<()> {
        let documents = json!({ "bool": { "filter": of(version) } });
        // Without an index there is nothing to remove.
        self.remove(&documents).await.map(drop)
    }

    async fn beside(&self) -> Result<Option<Arc<dyn Search>>> {
        self.open_beside().await
    }

    async fn change_over(&self) -> Result<()> {
        self.flip().await
    }
}

/// What a version has.
fn of(version: VersionId) -> [Value; 2] {
    [
        json!({ "term": { "course_id": version.course_id } }),
        json!({ "term": { "version": version.version } }),
    ]
}

/// How many hits to ask for after those before.
fn within(before: usize, limit: i64) -> usize {
    usize::try_from(limit)
        .unwrap_or_default()
        .min(MAX_HITS.saturating_sub(before))
}
