//! Request ids: one id per request, taken from `X-Request-Id` or made, in every log line and gRPC call; and its trace.

use axum::{extract::Request, http::HeaderValue, middleware::Next, response::Response};
use smartcourse_telemetry::{
    request::{accept_request_id, with_request_id},
    trace,
};
use tracing::{Instrument as _, field::Empty};

/// The header and gRPC metadata key that carry the id.
pub const REQUEST_ID: &str = "x-request-id";

/// Axum middleware that gives each request its id, a span and a trace, and answers with the id.
pub async fn request_id(request: Request, next: Next) -> Response {
    let (id, traceparent) = {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let traceparent = header(trace::TRACEPARENT).map(str::to_owned);
        (accept_request_id(header(REQUEST_ID)), traceparent)
    };
    with_request_id(id.clone(), async {
        let span = trace::join(traceparent.as_deref(), || {
            tracing::info_span!(
                trace::ENTRY,
                otel.kind = "server",
                otel.status_code = Empty,
                trace_id = Empty,
                request_id = %id,
                method = %request.method(),
                path = %request.uri().path(),
                status = Empty,
            )
        });
        let mut response = next.run(request).instrument(span.clone()).await;
        span.record("status", response.status().as_u16());
        if response.status().is_server_error() {
            span.record("otel.status_code", "ERROR");
        }
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        response
    })
    .await
}
