//! Events as messages of Kafka: CloudEvents in the binary mode of its binding to Kafka, so that their attributes are headers and the payload is the
//! value. The position is the extension `sequence`; `traceparent` is the trace of what an event comes from.

use rdkafka::{
    Message,
    message::{Header, Headers as _, OwnedHeaders},
};
use serde_json::Value;
use smartcourse_platform::{Error, Result, events::Event};
use smartcourse_telemetry::trace::TRACEPARENT;
use sqlx::types::time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Who writes the events.
const SOURCE: &str = "/smartcourse";

/// The headers of an event.
pub(super) fn headers(event: &Event) -> Result<OwnedHeaders> {
    let time = event
        .created_at
        .format(&Rfc3339)
        .map_err(|error| Error::internal("an event has a time that cannot be written").because(error))?;
    // Of one length, so that whoever compares them as texts has the order.
    let sequence = format!("{:020}", event.position);
    let id = event.id.to_string();
    let mut headers = OwnedHeaders::new();
    let mut put = |key, value: &str| {
        let all = std::mem::take(&mut headers);
        headers = all.insert(Header {
            key,
            value: Some(value),
        });
    };
    for (key, value) in [
        ("ce_specversion", "1.0"),
        ("ce_id", &id),
        ("ce_source", SOURCE),
        ("ce_type", &event.event_type),
        ("ce_time", &time),
        ("ce_subject", &event.key),
        ("ce_sequence", &sequence),
        ("content-type", "application/json"),
    ] {
        put(key, value);
    }
    if let Some(traceparent) = &event.traceparent {
        put(TRACEPARENT, traceparent);
    }
    Ok(headers)
}

/// The text of a header; nothing when it is not there, empty, or no text.
pub(super) fn header<'m>(message: &'m impl Message, name: &str) -> Option<&'m str> {
    let headers = message.headers()?;
    let found = headers
        .iter()
        .find(|header| header.key.eq_ignore_ascii_case(name))?;
    let text = found.value.and_then(|value| std::str::from_utf8(value).ok());
    text.filter(|text| !text.is_empty())
}

/// The event of a message; the reason when it is none of ours.
pub(super) fn event(message: &impl Message) -> Result<Event, String> {
    let header = |name| header(message, name).ok_or_else(|| format!("the header {name} is missing"));
    let wrong =
        |name: &str, error: &dyn std::fmt::Display| format!("the header {name} cannot be read: {error}");
    let key = message.key().and_then(|key| std::str::from_utf8(key).ok());
    let position = header("ce_sequence")?;
    Ok(Event {
        id: header("ce_id")?.parse().map_err(|error| wrong("ce_id", &error))?,
        event_type: header("ce_type")?.to_owned(),
        key: key.ok_or("it has no key that is a text")?.to_owned(),
        position: position.parse().map_err(|error| wrong("ce_sequence", &error))?,
        payload: payload(message)?,
        created_at: OffsetDateTime::parse(header("ce_time")?, &Rfc3339)
            .map_err(|error| wrong("ce_time", &error))?,
        traceparent: header(TRACEPARENT).ok().map(str::to_owned),
    })
}

/// The value of a message as JSON; the reason when it is none.
pub(super) fn payload(message: &impl Message) -> Result<Value, String> {
    serde_json::from_slice(message.payload().unwrap_or_default())
        .map_err(|error| format!("the value is no JSON: {error}"))
}
