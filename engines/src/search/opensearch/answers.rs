//! What the server answers, as far as it is read.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use smartcourse_platform::{
    Error, Result,
    ports::{
        Unit,
        search::{Hit, Ranked, Term},
    },
};
use smartcourse_proto::ids::VersionId;
use smartcourse_retrieval::{Asked, rarity};

/// What stands around a found word of a snippet. The server takes the port's own markers for spaces at the ends of a snippet, and
/// drops them; these are characters no text has.
pub(super) const BEFORE: &str = "\u{fdd0}";
pub(super) const AFTER: &str = "\u{fdd1}";

#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) hits: Hits,
    /// By name.
    #[serde(default)]
    pub(super) aggregations: HashMap<String, Aggregation>,
}

#[derive(Deserialize)]
pub(super) struct Hits {
    pub(super) total: Option<Total>,
    pub(super) hits: Vec<Document>,
}

#[derive(Deserialize)]
pub(super) struct Total {
    pub(super) value: i64,
}

#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(rename = "_source")]
    pub(super) source: Source,
    /// The score is the first.
    pub(super) sort: Vec<Value>,
    #[serde(default)]
    pub(super) highlight: HashMap<String, Vec<String>>,
}

#[derive(Deserialize)]
pub(super) struct Source {
    pub(super) course_id: i64,
    #[serde(default)]
    pub(super) version: i32,
    #[serde(default)]
    pub(super) lesson_id: String,
    #[serde(default)]
    pub(super) anchor: String,
    #[serde(default)]
    pub(super) title: String,
}

#[derive(Deserialize)]
pub(super) struct Aggregation {
    #[serde(default)]
    pub(super) doc_count: i64,
    #[serde(default)]
    pub(super) buckets: Vec<Bucket>,
}

#[derive(Deserialize)]
pub(super) struct Bucket {
    pub(super) key: String,
}

fn score(document: &Document) -> Result<f32> {
    let score = document.sort.first().and_then(Value::as_f64);
    let score = score.ok_or_else(|| Error::internal("the search server gives no score"))?;
    Ok(score as f32)
}

/// What a version says to a question's words, of which each was counted under its place.
pub(super) fn ranked(answer: Answer, asked: Vec<Asked>, language: &'static str) -> Result<Ranked> {
    let count = |number: i64| usize::try_from(number).unwrap_or_default();
    let all = count(answer.hits.total.map_or(0, |total| total.value));
    let having = |place: usize| {
        answer
            .aggregations
            .get(&place.to_string())
            .map_or(0, |found| count(found.doc_count))
    };
    let term = |(place, asked): (usize, Asked)| {
        let having = having(place);
        // Its parts are asked too, and say the same.
        let is_said = having == 0 && asked.has_parts;
        (!is_said).then(|| Term {
            term: asked.term,
            rarity: rarity(all, having),
            known: having > 0,
        })
    };
    let terms = asked.into_iter().enumerate().filter_map(term);
    let mut units = Vec::new();
    for document in answer.hits.hits {
        let score = score(&document)?;
        // The others have none of its words.
        if score > 0.0 {
            units.push((
                Unit::new(document.source.lesson_id, document.source.anchor),
                score,
            ));
        }
    }
    Ok(Ranked {
        units,
        terms: terms.collect(),
        language,
    })
}

pub(super) fn hit(document: Document) -> Result<Hit> {
    let score = score(&document)?;
    let (source, highlight) = (document.source, document.highlight);
    let snippet = highlight.into_values().flatten().next().unwrap_or_default();
    Ok(Hit {
        version: VersionId::new(source.course_id, source.version),
        unit: Unit::new(source.lesson_id, source.anchor),
        title: source.title,
        snippet: snippet.replace(BEFORE, "\u{2}").replace(AFTER, "\u{3}"),
        score,
    })
}
