//! What is kept: the fields of the index, and the documents in them.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use smartcourse_platform::ports::{
    Unit,
    search::{Entry, Scope},
};
use smartcourse_proto::ids::VersionId;

use super::super::languages::{self, SIMPLE};

/// Languages PostgreSQL has words of and OpenSearch has not: taken as they are.
const LACKING: [&str; 3] = ["nepali", "serbian", "tamil"];

/// The analyzer of a language (BCP 47).
pub(super) fn analyzer(language: &str) -> &'static str {
    match languages::config(language) {
        lacking if LACKING.contains(&lacking) => SIMPLE,
        config => config,
    }
}

/// How an index is made, behind an alias or beside it. Fields that are not named are refused.
pub(super) fn description(alias: Option<&str>) -> Value {
    let mut fields = json!({
        "course_id": { "type": "long" },
        "version": { "type": "integer" },
        "lesson_id": { "type": "keyword" },
        "anchor": { "type": "keyword" },
        "place": { "type": "keyword" },
        "scope": { "type": "keyword" },
        "language": { "type": "keyword" },
        "generation": { "type": "keyword" },
        "title": { "type": "text", "analyzer": "standard" },
    });
    for config in languages::all().filter(|config| !LACKING.contains(config)) {
        let analyzer = if config == SIMPLE { "standard" } else { config };
        for part in ["title", "body"] {
            fields[format!("{part}_{config}")] = json!({ "type": "text", "analyzer": analyzer });
        }
    }
    let aliases: serde_json::Map<_, _> = alias
        .map(|alias| (alias.to_owned(), json!({})))
        .into_iter()
        .collect();
    json!({
        "settings": { "number_of_shards": 1, "auto_expand_replicas": "0-1" },
        "mappings": { "dynamic": "strict", "properties": fields },
        "aliases": aliases,
    })
}

pub(super) fn document(version: VersionId, generation: &str, language: &str, entry: &Entry) -> Value {
    let Unit { lesson_id, anchor } = &entry.unit;
    let scope = match lesson_id.is_empty() {
        true => Scope::course(version),
        false => Scope::text(version),
    };
    json!({
        "course_id": version.course_id,
        "version": version.version,
        "lesson_id": lesson_id,
        "anchor": anchor,
        "place": format!("{}/{lesson_id}", version.course_id),
        "scope": scope.keyword(),
        "language": language,
        "generation": generation,
        "title": entry.title,
        format!("title_{language}"): format!("{}\n{}", entry.title, entry.heading),
        format!("body_{language}"): entry.body,
    })
}

/// Names what is written, so that writing it twice, or by two at once, is writing it once.
pub(super) fn generation(language: &str, entries: &[Entry]) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    add(language);
    for entry in entries {
        for text in [
            &entry.unit.lesson_id,
            &entry.unit.anchor,
            &entry.title,
            &entry.heading,
            &entry.body,
        ] {
            add(text);
        }
    }
    HEXLOWER.encode(&hash.finalize()[..16])
}
