//! The id of the request a task works on: taken from `X-Request-Id` or made, in every log line, and in calls between services.

use std::future::Future;

use uuid::Uuid;

tokio::task_local! {
    static REQUEST_ID: String;
}

/// The id of the request this task works on; empty outside of one.
pub fn request_id() -> String {
    REQUEST_ID.try_with(Clone::clone).unwrap_or_default()
}

/// Runs a future as part of the request with the given id.
pub async fn with_request_id<F: Future>(id: String, future: F) -> F::Output {
    REQUEST_ID.scope(id, future).await
}

/// Works on the request with the given id for a moment, as a part of an answer that is made bit by bit.
pub fn in_request<T>(id: String, work: impl FnOnce() -> T) -> T {
    REQUEST_ID.sync_scope(id, work)
}

/// A new id: one that can be the id of a trace, too.
pub fn new_request_id() -> String {
    Uuid::now_v7().simple().to_string()
}

/// An id from outside is kept only when it is short and harmless to log.
pub fn accept_request_id(value: Option<&str>) -> String {
    let harmless = |id: &&str| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let short = value.filter(|id| (1..=64).contains(&id.len()));
    short.filter(harmless).map_or_else(new_request_id, str::to_owned)
}
