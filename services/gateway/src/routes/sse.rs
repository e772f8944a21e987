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

/// What a run waits for changes without a new revision: those events are numbered within it. Should there ever be more, the last
/// number is given again.
const MOMENTS_PER_REVISION: i64 = 1_000;

/// What may change while the record of a run stays as it is: what it waits for, the second of its next try, and the code of its
/// error.
pub(super) type Moment = (Option<i32>, Option<i64>, Option<String>);

/// The `status` events that a reader has.
pub(super) struct Seen {
    id: i64,
    /// The revision and the moment that were told last. What a reader who comes back was told is not known.
    told: Option<(i64, Moment)>,
}

impl Seen {
    /// As the reader says; nothing of a revision that has not been yet: that was seen before the data was restored to an earlier day.
    pub(super) fn of(headers: &HeaderMap, revision: i64) -> Self {
        let id = last_event_id(headers);
        let is_known = id < (revision + 1) * MOMENTS_PER_REVISION;
        Self {
            id: if is_known { id } else { 0 },
            told: None,
        }
    }

    /// Whether the reader has an event of this revision.
    pub(super) fn has(&self, revision: i64) -> bool {
        revision * MOMENTS_PER_REVISION <= self.id
    }

    /// The number of the event that tells of this moment of a revision; none when the reader knows it.
    fn next(&mut self, revision: i64, moment: Moment) -> Option<i64> {
        let now = Some((revision, moment));
        if now == self.told {
            return None;
        }
        let first = revision * MOMENTS_PER_REVISION;
        self.id = (self.id + 1).clamp(first, first + MOMENTS_PER_REVISION - 1);
        self.told = now;
        Some(self.id)
    }

    /// The event that tells of this moment of a revision; none when the reader knows it.
    pub(super) fn tell(&mut self, revision: i64, moment: Moment, status: &impl Serialize) -> Option<Event> {
        self.next(revision, moment).map(|id| told(id, status))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader has seen who comes back with this id, when the run stands at this revision.
    fn back(id: &'static str, revision: i64) -> Seen {
        let mut headers = HeaderMap::new();
        headers.insert("last-event-id", HeaderValue::from_static(id));
        Seen::of(&headers, revision)
    }

    fn waiting(second: i64) -> Moment {
        (Some(1), Some(second), None)
    }

    #[test]
    fn ids_rise_with_revisions_and_within_them() {
        let mut seen = Seen::of(&HeaderMap::new(), 5);
        assert_eq!(seen.next(5, waiting(1)), Some(5_000));
        assert_eq!(seen.next(5, waiting(1)), None);
        assert_eq!(seen.next(5, waiting(2)), Some(5_001));
        assert_eq!(seen.next(6, waiting(2)), Some(6_000));
        assert_eq!(
            seen.next(6, (Some(1), Some(2), Some("unavailable".to_owned()))),
            Some(6_001)
        );
    }

    #[test]
    fn who_comes_back_is_told_what_it_waits_for_now() {
        let mut seen = back("5001", 5);
        assert!(seen.has(5) && !seen.has(6));
        assert_eq!(seen.next(5, waiting(3)), Some(5_002));
        assert_eq!(back("5001", 6).next(6, waiting(3)), Some(6_000));
        // Of a later day than the data.
        assert_eq!(back("9001", 5).next(5, waiting(3)), Some(5_000));
    }

    #[test]
    fn many_moments_hide_no_revision() {
        let mut seen = back("5998", 5);
        let ids: Vec<_> = (0..3).map(|second| seen.next(5, waiting(second))).collect();
        assert_eq!(ids, [Some(5_999); 3]);
        assert!(!seen.has(6));
        assert_eq!(seen.next(6, waiting(2)), Some(6_000));
    }
}
