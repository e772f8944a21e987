//! What is asked: queries in the languages they may meet.

use std::borrow::Cow;

use serde_json::{Value, json};
use smartcourse_retrieval::Asked;

/// Words of all fields of a question at most: the server takes 1,024 of them.
const MAX_WORDS: usize = 800;
/// Words of a query that may be a title spelt alike.
const MAX_TITLE: usize = 12;

/// The fields of a language; a title weighs more.
pub(super) fn fields(language: &str) -> [String; 2] {
    [format!("title_{language}^4"), format!("body_{language}")]
}

/// A query as its user meant it, in each of the languages, or a title spelt alike; the latter must not override a phrase or an
/// exclusion.
pub(super) fn asked(query: &str, languages: &[String], filter: &[Value]) -> Value {
    let words = some_words(query, languages.len());
    let in_language = |language: &String| {
        json!({ "bool": {
            "filter": { "term": { "language": language } },
            "must": { "simple_query_string": {
                "query": words,
                "fields": fields(language),
                "default_operator": "and",
                "flags": "NOT|PHRASE|WHITESPACE",
            } },
        } })
    };
    let mut should: Vec<Value> = languages.iter().map(in_language).collect();
    let is_plain = !words.contains('"') && !words.split_whitespace().any(|word| word.starts_with('-'));
    if is_plain && words.split_whitespace().count() <= MAX_TITLE {
        should.push(json!({ "match": { "title": {
            "query": words,
            "operator": "and",
            "fuzziness": "AUTO",
            "max_expansions": 20,
            "boost": 0.5,
        } } }));
    }
    json!({ "bool": { "filter": filter, "should": should, "minimum_should_match": 1 } })
}

/// A question's words over the entries of a version: any of them counts, and how many entries have each is counted.
pub(super) fn ranking(asked: &[Asked], language: &str, filter: &[Value], size: usize) -> Value {
    let having = |words: &str| json!({ "multi_match": { "query": words, "type": "most_fields", "fields": fields(language) } });
    let words: Vec<&str> = asked.iter().map(|asked| asked.word.as_str()).collect();
    let each = words.iter().enumerate();
    let counts: serde_json::Map<String, Value> = each
        .map(|(place, word)| (place.to_string(), json!({ "filter": having(word) })))
        .collect();
    json!({
        "size": size,
        "track_total_hits": true,
        "query": { "bool": { "filter": filter, "should": having(&words.join(" ")) } },
        "aggs": counts,
        "sort": [{ "_score": "desc" }, { "lesson_id": "asc" }, { "anchor": "asc" }],
        "_source": ["course_id", "lesson_id", "anchor"],
    })
}

/// As many of a query's words as the server takes when they are asked for in the fields of so many languages.
fn some_words(query: &str, languages: usize) -> Cow<'_, str> {
    let most = MAX_WORDS / (2 * languages.max(1));
    match query.split_whitespace().nth(most) {
        None => Cow::Borrowed(query),
        Some(_) => Cow::Owned(query.split_whitespace().take(most).collect::<Vec<_>>().join(" ")),
    }
}
