//! What sqlx says of each statement and connection, as metrics and as spans.
//!
//! sqlx tells `tracing` of every statement when it is over. Here that is counted under a name made of what the statement does
//! and to which table, the
//! [`db.query.summary`](https://opentelemetry.io/docs/specs/semconv/database/database-spans/#generating-a-summary-of-the-query)
//! of OpenTelemetry; in a trace that is sent it is a span, with its text.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Context, KeyValue, global,
    trace::{Span as _, SpanKind, TraceContextExt as _, Tracer as _},
};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context as LayerContext, Filter},
    registry::LookupSpan,
};

use crate::catalogue::{ACQUIRE_SECONDS, STATEMENT_SECONDS};

const QUERY: &str = "sqlx::query";
const ACQUIRE: &str = "sqlx::pool::acquire";
/// Statements whose names are remembered. The program has some hundreds.
const REMEMBERED: usize = 4096;

/// A layer that hears sqlx alone.
pub(crate) fn layer<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    Statements::default().with_filter(filter())
}

fn filter<S>() -> impl Filter<S> {
    Targets::new()
        .with_target(QUERY, Level::DEBUG)
        .with_target(ACQUIRE, Level::DEBUG)
}

#[derive(Default)]
struct Statements {
    names: RwLock<HashMap<u64, Arc<str>>>,
    hasher: RandomState,
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let Some(seconds) = said.seconds else { return };
        if event.metadata().target() == ACQUIRE {
            ACQUIRE_SECONDS.record(seconds, []);
            return;
        }
        let text = if said.text.is_empty() {
            &said.summary
        } else {
            &said.text
        };
        let name = self.name(text);
        STATEMENT_SECONDS.record(seconds, [&name]);
        trace(&name, text, seconds);
    }
}

impl Statements {
    fn name(&self, text: &str) -> Arc<str> {
        let hash = self.hasher.hash_one(text);
        // A name is worked out again where a thread panicked.
        if let Some(name) = self
            .names
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&hash)
        {
            return Arc::clone(name);
        }
        let name: Arc<str> = summary(text).into();
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() < REMEMBERED {
            names.insert(hash, Arc::clone(&name));
        }
        name
    }
}

/// What an event of sqlx says.
#[derive(Default)]
struct Said {
    summary: String,
    text: String,
    seconds: Option<f64>,
}

impl Visit for Said {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if matches!(field.name(), "elapsed_secs" | "acquired_after_secs") {
            self.seconds = Some(value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "summary" => value.clone_into(&mut self.summary),
            "db.statement" => value.trim().clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

/// A span that is over already, where the trace it belongs to is sent.
fn trace(name: &str, text: &str, seconds: f64) {
    let parent = Context::current();
    if !parent.span().span_context().is_sampled() {
        return;
    }
    let end = SystemTime::now();
    let begin = end
        .checked_sub(Duration::from_secs_f64(seconds.max(0.0)))
        .unwrap_or(end);
    let tracer = global::tracer("sqlx");
    let span = tracer
        .span_builder(name.to_owned())
        .with_kind(SpanKind::Client)
        .with_start_time(begin)
        .with_attributes([
            KeyValue::new("db.system.name", "postgresql"),
            KeyValue::new("db.query.summary", name.to_owned()),
            KeyValue::new("db.query.text", text.to_owned()),
        ]);
    span.start_with_context(&tracer, &parent).end_with_timestamp(end);
}

/// What a statement does and to which table, such as `update course.courses`; without a table, what it does.
fn summary(sql: &str) -> String {
    let mut verb = None;
    let mut writes = None;
    let mut table = None;
    let mut before = String::new();
    let words = sql.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | ')'));
    // `a (b` and `f(x` are two words each, the second of them within the parenthesis.
    for word in words.flat_map(|word| word.split_inclusive('(')) {
        let called = word.ends_with('(');
        let word = word.trim_end_matches('(').to_lowercase();
        if word.is_empty() {
            continue;
        }
        let verb = &*verb.get_or_insert_with(|| word.clone());
        // What a common table expression writes is what the statement does.
        let write =
            matches!(word.as_str(), "insert" | "update" | "delete") && before != "for" && before != "do";
        if write && matches!(verb.as_str(), "with" | "insert" | "update" | "delete") && writes.is_none() {
            writes = Some(word.clone());
            table = None;
        }
        let named = matches!(before.as_str(), "from" | "join" | "into" | "update" | "table") || called;
        if named && table.is_none() && is_qualified(&word) {
            table = Some(word.clone());
        }
        before = word;
    }
    let verb = match (writes, verb) {
        (Some(writes), _) => writes,
        (None, Some(verb)) if verb == "with" => "select".to_owned(),
        (None, verb) => verb.unwrap_or_default(),
    };
    match table {
        Some(table) => format!("{verb} {table}"),
        None => verb,
    }
}

/// Whether this is the name of something in a schema.
fn is_qualified(word: &str) -> bool {
    let name = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let word = word.replace('"', "");
    word.split_once('.')
        .is_some_and(|(schema, table)| name(schema) && name(table))
}

#[cfg(test)]
mod tests {
    use super::summary;

    #[test]
    fn a_statement_is_named_by_what_it_does_to_which_table() {
        let cases = [
            (
                "select id from course.courses where id = $1 for update",
                "select course.courses",
            ),
            ("SELECT 1", "select"),
            ("begin", "begin"),
            ("update course.courses set title = $1", "update course.courses"),
            (
                "delete from \"user\".sessions where id = $1",
                "delete \"user\".sessions",
            ),
            (
                "select platform.put_event($1, $2)::text as \"put?\"",
                "select platform.put_event",
            ),
            (
                "with row as (insert into platform.outbox_commands (kind) values ('cancel') returning 1) select 1 from row",
                "insert platform.outbox_commands",
            ),
            (
                "with due as (select id from platform.tasks for update skip locked)\n update platform.tasks set x = 1",
                "update platform.tasks",
            ),
            (
                "with a as (select * from course.versions) select * from a",
                "select course.versions",
            ),
            (
                "insert into course.steps (a) values ($1) on conflict (a) do update set a = excluded.a",
                "insert course.steps",
            ),
            ("select p.position from unnest($1::text[]) p", "select"),
            ("set statement_timeout = '20s'", "set"),
            ("", ""),
        ];
        for (sql, name) in cases {
            assert_eq!(summary(sql), name, "{sql}");
        }
    }
}
