//! What is seen of each call at the service that answers it: a span, and how long it took.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use axum::{body::Body, extract::Request, middleware::Next, response::Response};
use bytes::Bytes;
use hyper::body::{self as http_body, Frame};
use smartcourse_telemetry::{
    catalogue::GRPC_SECONDS,
    request::{in_request, request_id},
    trace,
};
use tonic::{Code, Status};
use tracing::{Instrument as _, Span, field::Empty};

/// Axum middleware around the services of a process.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let traceparent = request.headers().get(trace::TRACEPARENT);
    let traceparent = traceparent
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let span = trace::join(traceparent.as_deref(), || {
        tracing::info_span!(
            "grpc",
            otel.name = path,
            otel.kind = "server",
            otel.status_code = Empty,
            trace_id = Empty,
            request_id = request_id(),
            path,
            code = Empty,
        )
    });
    let response = next.run(request).instrument(span.clone()).await;
    // A success says so behind its message, a refusal in place of one.
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    span.record("code", tracing::field::debug(code));
    if matches!(
        code,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable | Code::DeadlineExceeded
    ) {
        span.record("otel.status_code", "ERROR");
    }
    let (service, method) = match (code, path.split_once('/')) {
        (Code::Unimplemented, _) | (_, None) => ("unknown", "unknown"),
        (_, Some((service, method))) => (service.rsplit('.').next().unwrap_or(service), method),
    };
    GRPC_SECONDS.since(begun, [service, method, &format!("{code:?}")]);
    let id = request_id();
    response.map(|body| Body::new(Part { body, span, id }))
}

/// An answer that is made bit by bit, such as a stream: what makes it is part of the call, too.
struct Part {
    body: Body,
    span: Span,
    id: String,
}

impl http_body::Body for Part {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let _entered = this.span.enter();
        in_request(this.id.clone(), || Pin::new(&mut this.body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
