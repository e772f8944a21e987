//! Versions of a hundred entries, and questions about one of them.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_platform::ports::{
    Unit,
    search::{Entry, Scope},
};
use smartcourse_proto::ids::{CourseId, VersionId};
use smartcourse_tests::{TestServer, measure::Outcome};

use crate::{line_up::LineUp, load};

pub(crate) const OPERATIONS: [&str; 2] = ["search: put a version of 100 entries", "search: find"];
/// Courses that are written in turns, more than are written at once, and asked about.
const COURSES: u64 = 50;
const ENTRIES: u64 = 100;
const WORDS: [&str; 16] = [
    "saga",
    "queue",
    "worker",
    "replay",
    "transaction",
    "retry",
    "timer",
    "history",
    "signal",
    "idempotent",
    "outbox",
    "lease",
    "consensus",
    "leader",
    "snapshot",
    "quorum",
];
/// Words of an entry.
const LENGTH: u64 = 90;
const HITS: i64 = 20;

fn version(number: u64) -> Result<VersionId> {
    let course = i64::try_from(number % COURSES)? + 1;
    Ok(VersionId {
        course_id: CourseId(course),
        version: 1,
    })
}

/// A text that differs with its number.
fn text(number: u64) -> String {
    let word = |at: u64| {
        let mixed = (number * LENGTH + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
        WORDS[usize::try_from(mixed).unwrap_or_default()]
    };
    (0..LENGTH).map(word).collect::<Vec<_>>().join(" ")
}

fn question(number: u64) -> String {
    let words = [number, number / 16].map(|at| WORDS[usize::try_from(at % 16).unwrap_or_default()]);
    words.join(" ")
}

/// Through the port.
pub(crate) async fn port(line_up: &LineUp) -> Result<Vec<Outcome>> {
    let index = line_up.engines.search();
    let put = {
        let index = Arc::clone(&index);
        move |number: u64| {
            let index = Arc::clone(&index);
            async move {
                let entry = |entry: u64| Entry {
                    unit: Unit::new(format!("l{entry}"), "c0"),
                    title: question(entry),
                    heading: String::new(),
                    body: text(number * ENTRIES + entry),
                };
                let entries: Vec<Entry> = (0..ENTRIES).map(entry).collect();
                Ok(index.put_version(version(number)?, "en", &entries).await?)
            }
        }
    };
    for number in 0..COURSES {
        put(number).await?;
    }
    let put = load::run(put).await?;
    let find = load::run(move |number| {
        let index = Arc::clone(&index);
        async move {
            let version = version(number)?;
            let scopes = [Scope::course(version), Scope::text(version)];
            let found = index.find(&question(number), &scopes, "", HITS).await?;
            ensure!(!found.hits.is_empty(), "every course has every word");
            Ok(())
        }
    });
    Ok(vec![put, find.await?])
}

/// One request each: entries by ids that another version of the course would replace, and a question with snippets.
pub(crate) async fn bare(server: &TestServer) -> Result<Vec<Outcome>> {
    let url = server.variable("OPENSEARCH_URL").to_owned();
    let http = reqwest::Client::new();
    let put = {
        let (http, url) = (http.clone(), format!("{url}/bare/_bulk?refresh=true"));
        move |number: u64| {
            let request = http.post(&url).header("content-type", "application/json");
            async move {
                let course = number % COURSES;
                let line = |entry: u64| {
                    let id = json!({ "index": { "_id": format!("{course}/{entry}") } });
                    let text = text(number * ENTRIES + entry);
                    let document = json!({ "course": course, "title": question(entry), "body": text });
                    format!("{id}\n{document}\n")
                };
                let lines: String = (0..ENTRIES).map(line).collect();
                let answer = request.body(lines).send().await?.error_for_status()?;
                let answer: Value = answer.json().await?;
                ensure!(answer["errors"] == false, "{answer}");
                Ok(())
            }
        }
    };
    for number in 0..COURSES {
        put(number).await?;
    }
    let put = load::run(put).await?;
    let url = format!("{url}/bare/_search");
    let find = load::run(move |number| {
        let question = json!({
            "size": HITS,
            "query": { "bool": {
                "filter": [{ "term": { "course": number % COURSES } }],
                "must": [{ "multi_match": { "query": question(number), "fields": ["title", "body"] } }],
            } },
            "highlight": { "fields": { "body": {} } },
        });
        let request = http.post(&url).json(&question);
        async move {
            let answer: Value = request.send().await?.error_for_status()?.json().await?;
            let hits = answer["hits"]["hits"].as_array().context("hits")?;
            ensure!(!hits.is_empty(), "every course has every word");
            Ok(())
        }
    });
    Ok(vec![put, find.await?])
}
