//! Headers that become fields of messages, and fields that become headers.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
    response::{IntoResponse, Response},
};
use smartcourse_platform::{Error, Result, error::Problems};
use utoipa::IntoParams;

/// Longest key we keep.
pub(crate) const KEY_MAX: usize = 200;

/// The `If-Match` header as it came; the course service compares it.
#[derive(IntoParams)]
#[into_params(parameter_in = Header, names("If-Match"))]
pub(crate) struct IfMatch(
    /// The entity tag the edit is based on
    pub(crate) Option<String>,
);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // One that cannot be read matches nothing; leaving it out would let the edit through.
        let value = parts.headers.get(header::IF_MATCH).map(HeaderValue::to_str);
        Ok(Self(value.map(|text| text.unwrap_or_default().trim().to_owned())))
    }
}

pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let Some(value) = parts.headers.get(HeaderName::from_static("idempotency-key")) else {
            return Ok(Self(None));
        };
        let key = value.to_str().unwrap_or_default().trim();
        if !(1..=KEY_MAX).contains(&key.len()) {
            let must = format!("must be 1 to {KEY_MAX} ASCII characters");
            return Err(Problems::one("Idempotency-Key", must));
        }
        Ok(Self(Some(key.to_owned())))
    }
}

/// Whether the caller names one type of answer before, or instead of, another.
pub(crate) fn prefers(headers: &HeaderMap, one: &str, other: &str) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let place = |name| accept.unwrap_or_default().find(name);
    match (place(one), place(other)) {
        (Some(one), Some(other)) => one < other,
        (one, _) => one.is_some(),
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
