//! Errors as `application/problem+json` (RFC 9457).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Error, Kind};
use smartcourse_telemetry::{catalogue::PROBLEMS, trace};

impl Kind {
    /// The HTTP status of this kind.
    pub fn http_status(self) -> StatusCode {
        match self {
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMedia => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Error {
    /// The HTTP status of this error; four codes differ from the rule of their kind.
    pub fn http_status(&self) -> StatusCode {
        match self.code() {
            "malformed_request" => StatusCode::BAD_REQUEST,
            "body_timeout" => StatusCode::REQUEST_TIMEOUT,
            "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
            "range_not_satisfiable" => StatusCode::RANGE_NOT_SATISFIABLE,
            _ => self.kind().http_status(),
        }
    }

    /// The problem document.
    pub fn to_problem(&self) -> serde_json::Value {
        let status = self.http_status();
        // What went wrong inside stays inside: the trace id leads an engineer to the log.
        let detail = match self.kind() {
            Kind::Internal => "Something went wrong on our side.",
            _ => self.detail(),
        };
        let mut problem = json!({
            "type": format!("/docs/errors#{}", self.code()),
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": detail,
            "code": self.code(),
            "trace_id": trace::id(),
            "errors": self.fields(),
        });
        for (name, value) in self.facts() {
            problem[name] = value.clone();
        }
        problem
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.http_status();
        PROBLEMS.add(1, [self.code()]);
        if status.is_server_error() {
            tracing::error!(error = %self.chain(), trace_id = %trace::id(), "request failed");
        }
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (status, kind, self.to_problem().to_string()).into_response();
        let seconds = self.facts().iter().find(|(name, _)| name == "retry_after");
        let seconds = seconds.and_then(|(_, seconds)| seconds.to_string().parse().ok());
        let soon = || (status == StatusCode::SERVICE_UNAVAILABLE).then(|| HeaderValue::from_static("1"));
        if let Some(seconds) = seconds.or_else(soon) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response
    }
}
