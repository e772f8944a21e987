//! Server-sent events.

use std::convert::Infallible;

use axum::{
    http::{HeaderMap, HeaderValue},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use serde::Serialize;
use smartcourse_platform::Error;

/// A stream of events; proxies are asked to pass each on at once.
pub(super) fn stream(
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
    keep_alive: KeepAlive,
) -> Response {
    let mut response = Sse::new(events).keep_alive(keep_alive).into_response();
    let value = HeaderValue::from_static("no");
    response.headers_mut().insert("x-accel-buffering", value);
    response
}

/// The id of the last event that arrived; 0 for none, or one that is none of ours.
pub(super) fn last_event_id(headers: &HeaderMap) -> i64 {
    let id = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    id.and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A `status` event of this id.
pub(super) fn status(id: i64, status: &impl Serialize) -> Event {
    match Event::default()
        .event("status")
        .id(id.to_string())
        .json_data(status)
    {
        Ok(event) => event,
        Err(error) => problem(&Error::internal("a status could not be written").because(error)),
    }
}

/// An `error` event with the problem document.
pub(super) fn problem(error: &Error) -> Event {
    Event::default()
        .event("error")
        .data(error.to_problem().to_string())
}
