//! The document of the events: `docs/asyncapi.json`, made from the catalogue, the messages and the consumer groups.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Map, Value, json};
use smartcourse_engines::documents;
use smartcourse_platform::{
    events::Consumer,
    grpc::{LocalRouter, Transport},
};
use smartcourse_proto::catalogue::{EVENTS, EventType};
use sqlx::PgPool;

use crate::rules::sources;

/// Every consumer group of ours. None of them is run here, so nothing they lead to has to be there.
fn consumers() -> Result<Vec<Box<dyn Consumer>>> {
    let config = crate::config::load(None, &[])?;
    let pool = PgPool::connect_lazy("postgres://nowhere/none")?;
    let way = || Transport::local(&config.grpc, LocalRouter::default());
    let deps = smartcourse_enrollment::Dependencies {
        course: way(),
        user: way(),
        progress: way(),
    };
    let documents = Arc::new(documents::postgres::Postgres::new(pool.clone()));
    Ok(vec![
        Box::new(smartcourse_course::Deletions::new(documents)),
        Box::new(smartcourse_content::Retention::new(
            &config,
            Arc::new(smartcourse_platform::clock::System),
        )?),
        Box::new(smartcourse_content::Deletions),
        Box::new(smartcourse_enrollment::Commands::new(&config, pool, deps)?),
        Box::new(smartcourse_enrollment::Completions),
        Box::new(smartcourse_progress::Republished),
        Box::new(smartcourse_notification::Feed::new(
            smartcourse_notification::Channels {
                sms: false,
                web_push: false,
            },
        )),
        Box::new(smartcourse_analytics::Counter),
    ])
}

fn reference(path: &str) -> Value {
    json!({ "$ref": format!("#/{path}") })
}

/// The key of an event as a regular expression.
fn pattern(event: &EventType) -> String {
    let (before, after) = event.key.describe().split_once('{').unwrap_or_default();
    let rest = after.split_once('}').map_or("", |(_, rest)| rest);
    format!("^{before}[0-9]+{rest}$")
}

fn message(event: &EventType) -> Value {
    json!({
        "name": event.name,
        "title": event.message(),
        "summary": event.summary,
        "contentType": "application/json",
        "correlationId": {
            "location": "$message.header#/request_id",
            "description": "The request that caused the event; it is in the logs and traces.",
        },
        "headers": {"allOf": [reference("components/schemas/Envelope"), {"properties": {
            "type": {"const": event.name},
            "key": {"description": event.key.describe(), "pattern": pattern(event)},
        }}]},
        "payload": reference(&format!("components/schemas/{}", event.message())),
    })
}

fn operation(event: &EventType, action: &str, who: &str, summary: &str) -> Value {
    let channel = format!("channels/{}", event.name);
    json!({
        "action": action,
        "summary": summary,
        "tags": [{ "name": who }],
        "messages": [reference(&format!("{channel}/messages/{}", event.message()))],
        "channel": reference(&channel),
    })
}

fn document(consumers: &[Box<dyn Consumer>]) -> Result<Value> {
    let (mut channels, mut operations) = (Map::new(), Map::new());
    let (mut messages, mut schemas) = (Map::new(), Map::new());
    schemas.insert("Envelope".to_owned(), envelope());
    for event in &EVENTS {
        let name = event.message().into_owned();
        let channel = json!({
            "address": event.name,
            "summary": event.summary,
            "messages": { name.as_str(): reference(&format!("components/messages/{name}")) },
        });
        channels.insert(event.name.to_owned(), channel);
        if let Some(sender) = event.sender {
            let summary = format!("Service `{sender}` writes it, in the transaction of the change.");
            let sends = operation(event, "send", sender, &summary);
            operations.insert(format!("{sender}.sends.{}", event.name), sends);
        }
        for group in consumers.iter().filter(|group| group.wants(event.name)) {
            let group = group.group();
            let summary = format!("Consumer group `{group}` takes it once.");
            let receives = operation(event, "receive", group, &summary);
            operations.insert(format!("{group}.receives.{}", event.name), receives);
        }
        messages.insert(name.clone(), message(event));
        schemas.insert(name, serde_json::to_value(event.schema())?);
        for (part, schema) in event.parts() {
            schemas.insert(part, serde_json::to_value(schema)?);
        }
    }
    Ok(json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "SmartCourse events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The event log of SmartCourse, table `platform.events`: a channel is the events of one type. \
                A group takes every event once; events of one key come to it in the order in which they happened, \
                events of different keys in any. Made from `proto/src/catalogue.rs` and `proto/smartcourse/events.proto`.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages, "schemas": schemas },
    }))
}

/// The columns of the log around the payload.
fn envelope() -> Value {
    json!({
        "type": "object",
        "required": ["id", "type", "key", "position", "created_at"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "The same in every delivery."},
            "type": {"type": "string"},
            "key": {"type": "string"},
            "position": {"type": "integer", "minimum": 1, "description": "Place in the log, rising."},
            "created_at": {"type": "string", "format": "date-time"},
            "request_id": {"type": "string"},
        },
    })
}

/// What AsyncAPI 3.0 demands of the document beyond its fields: every reference leads somewhere, and the messages of an
/// operation are those of its channel.
fn check(document: &Value) -> Result<()> {
    let mut open = vec![document];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(fields) => {
                if let Some(target) = fields.get("$ref") {
                    let pointer = target.as_str().and_then(|text| text.strip_prefix('#'));
                    ensure!(
                        pointer.is_some_and(|pointer| document.pointer(pointer).is_some()),
                        "{target}"
                    );
                }
                open.extend(fields.values());
            }
            _ => {}
        }
    }
    let operations = document["operations"].as_object().context("operations")?;
    for (id, operation) in operations {
        ensure!(
            matches!(operation["action"].as_str(), Some("send" | "receive")),
            "{id}: action"
        );
        let channel = operation["channel"]["$ref"].as_str().context("a channel")?;
        for message in operation["messages"].as_array().context("messages")? {
            let message = message["$ref"].as_str().context("a message")?;
            ensure!(
                message.starts_with(&format!("{channel}/messages/")),
                "{id}: {message}"
            );
        }
    }
    for (id, message) in document["components"]["messages"]
        .as_object()
        .context("messages")?
    {
        ensure!(
            message["payload"].is_object() && message["headers"].is_object(),
            "{id}"
        );
    }
    Ok(())
}

/// `docs/asyncapi.json` is written from the code. `SMARTCOURSE_RECORD=1` writes it anew.
#[tokio::test]
async fn the_document_of_events_is_what_the_code_says() -> Result<()> {
    let consumers = consumers()?;
    let implemented = sources()?
        .iter()
        .filter(|path| {
            path.to_string_lossy().contains("/services/") && path.to_string_lossy().contains("/src/")
        })
        .map(|path| {
            Ok(std::fs::read_to_string(path)?
                .matches("impl Consumer for")
                .count())
        })
        .sum::<Result<usize>>()?;
    ensure!(
        implemented == consumers.len(),
        "list every consumer group: there are {implemented}"
    );
    let document = document(&consumers)?;
    check(&document)?;
    let page = serde_json::to_string_pretty(&document)? + "\n";
    let path = crate::root().join("docs/asyncapi.json");
    if std::env::var_os("SMARTCOURSE_RECORD").is_some() {
        std::fs::write(&path, &page)?;
    }
    ensure!(
        std::fs::read_to_string(&path)? == page,
        "docs/asyncapi.json is not what the code says: run with SMARTCOURSE_RECORD=1"
    );
    Ok(())
}

/// The types written by each service, by its name.
fn written() -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut written: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in sources()? {
        let path = path.to_string_lossy().into_owned();
        let Some((service, _)) = path
            .split_once("/services/")
            .and_then(|(_, rest)| rest.split_once("/src/"))
        else {
            continue;
        };
        let code = std::fs::read_to_string(&path)?;
        // In Rust the type is the first text of the call; in SQL as well, with the quotes of SQL.
        let calls = ["put_event(", "NewEvent::new("].map(|call| code.split(call).skip(1));
        for call in calls.into_iter().flatten() {
            let quotes = ['"', '\''];
            let (_, text) = call.split_once(quotes).context("a call names its type")?;
            let (name, _) = text.split_once(quotes).context("a text ends")?;
            written
                .entry(service.to_owned())
                .or_default()
                .insert(name.to_owned());
        }
    }
    Ok(written)
}

#[test]
fn the_catalogue_has_what_is_written_and_nothing_else() -> Result<()> {
    let mut promised: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for event in &EVENTS {
        if let Some(sender) = event.sender {
            promised
                .entry(sender.to_owned())
                .or_default()
                .insert(event.name.to_owned());
        }
    }
    let written = written()?;
    ensure!(
        written == promised,
        "written: {written:#?}\npromised: {promised:#?}"
    );
    let names: BTreeSet<&str> = EVENTS.iter().map(|event| event.name).collect();
    ensure!(names.len() == EVENTS.len(), "a type is there twice");
    Ok(())
}
