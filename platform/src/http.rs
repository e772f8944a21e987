//! Request ids: one id per request, taken from `X-Request-Id` or made, in every log line, problem and gRPC call.

use std::future::Future;

use axum::{extract::Request, http::HeaderValue, middleware::Next, response::Response};
use tracing::Instrument;
use uuid::Uuid;

/// The header and gRPC metadata key that carry the id.
pub const REQUEST_ID: &str = "x-request-id";

tokio::task_local! {
    static TRACE_ID: String;
}

/// The id of the request this task works on; empty outside of one.
pub fn trace_id() -> String {
    TRACE_ID.try_with(Clone::clone).unwrap_or_default()
}

/// Runs a future as part of the request with the given id.
pub async fn with_trace_id<F: Future>(id: String, future: F) -> F::Output {
    TRACE_ID.scope(id, future).await
}

/// A new id.
pub fn new_trace_id() -> String {
    Uuid::now_v7().simple().to_string()
}

/// An id from outside is kept only when it is short and harmless to log.
pub fn accept_trace_id(value: Option<&str>) -> String {
    let harmless = |id: &&str| id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let short = value.filter(|id| (1..=64).contains(&id.len()));
    short.filter(harmless).map_or_else(new_trace_id, str::to_owned)
}

/// Axum middleware that gives each request its id and a span, and answers with the id.
pub async fn request_id(request: Request, next: Next) -> Response {
    let id = request.headers().get(REQUEST_ID);
    let id = accept_trace_id(id.and_then(|value| value.to_str().ok()));
    let span = tracing::info_span!("http", request_id = %id, method = %request.method(), path = %request.uri().path());
    let mut response = with_trace_id(id.clone(), next.run(request).instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
