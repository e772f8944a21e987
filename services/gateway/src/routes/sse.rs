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

/// What a run waits for changes without a new revision: those events are numbered within it.
const MOMENTS_PER_REVISION: i64 = 1_000;

/// What may change while the record of a run stays as it is: what it waits for, and the second of its next try.
pub(super) type Moment = (Option<i32>, Option<i64>);

/// The last `status` event that a reader has, by its number.
pub(super) struct Seen {
    id: i64,
    shown: Moment,
}

impl Seen {
    /// As the reader says; nothing of a revision that has not been yet: that was seen before the data was restored to an earlier day.
    pub(super) fn of(headers: &HeaderMap, revision: i64, moment: Moment) -> Self {
        let id = last_event_id(headers);
        let is_known = id < (revision + 1) * MOMENTS_PER_REVISION;
        Self {
            id: if is_known { id } else { 0 },
            shown: moment,
        }
    }

    /// Whether the reader has an event of this revision.
    pub(super) fn has(&self, revision: i64) -> bool {
        revision * MOMENTS_PER_REVISION <= self.id
    }

    /// The event that tells of this moment of a revision; none when the reader knows it.
    pub(super) fn tell(&mut self, revision: i64, moment: Moment, status: &impl Serialize) -> Option<Event> {
        if self.has(revision) && moment == self.shown {
            return None;
        }
        self.id = (revision * MOMENTS_PER_REVISION).max(self.id + 1);
        self.shown = moment;
        Some(told(self.id, status))
    }
}

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
fn told(id: i64, status: &impl Serialize) -> Event {
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
