//! Headers that become fields of messages, and fields that become headers.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use smartcourse_platform::{Error, Result, error::Problems};

use super::extract::Json;

/// Longest key we keep.
const KEY_MAX: usize = 200;

/// The `If-Match` header as it came; the course service compares it.
pub(crate) struct IfMatch(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // One that cannot be read matches nothing; leaving it out would let the edit through.
        let value = parts.headers.get(header::IF_MATCH);
        Ok(Self(value.map(|value| {
            value.to_str().unwrap_or_default().trim().to_owned()
        })))
    }
}

/// The `Idempotency-Key` header.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let Some(value) = parts.headers.get(HeaderName::from_static("idempotency-key")) else {
            return Ok(Self(None));
        };
        let key = value.to_str().unwrap_or_default().trim();
        let mut problems = Problems::default();
        problems.require(
            (1..=KEY_MAX).contains(&key.len()),
            "Idempotency-Key",
            format!("must be 1 to {KEY_MAX} ASCII characters"),
        );
        problems.finish()?;
        Ok(Self(Some(key.to_owned())))
    }
}

/// An answer with its entity tag.
pub(crate) struct Entity<T> {
    etag: String,
    body: T,
}

impl<T> Entity<T> {
    /// `etag` is quoted already.
    pub(crate) fn new(etag: &str, body: T) -> Self {
        Self {
            etag: etag.to_owned(),
            body,
        }
    }
}

impl<T: Serialize> IntoResponse for Entity<T> {
    fn into_response(self) -> Response {
        tagged(&self.etag, Json(self.body))
    }
}

/// An answer with this entity tag, which is quoted already.
pub(crate) fn tagged(etag: &str, answer: impl IntoResponse) -> Response {
    let mut response = answer.into_response();
    if !etag.is_empty()
        && let Ok(value) = HeaderValue::from_str(etag)
    {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}
