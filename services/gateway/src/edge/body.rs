//! JSON bodies of requests. A handler gets one unread, decides whether its sender may send it, and reads it then: a
//! stranger's megabytes are never read.
//!
//! All bodies together have a budget of memory, which each holds until its handler is done. What is no larger than anybody may
//! send without an account takes nothing of it: strangers cannot use it up.

use std::{sync::Arc, time::Duration};

use axum::{
    body::HttpBody as _,
    extract::{FromRef, FromRequest, Request},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::{Serialize, de::DeserializeOwned};
use smartcourse_platform::{Error, Result};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::json::{Shape, parse};
use crate::{
    codes,
    config::{Gateway, VALUE_BYTES},
};

/// Bytes of a body that need no room, and the largest body of routes that need no account.
pub(crate) const SMALL: usize = 16 * 1024;

/// The largest JSON body of a group of routes, as an extension of their requests. Without it no body is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaxBytes(pub(crate) usize);

/// What bodies may cost.
#[derive(Clone)]
pub(crate) struct Bodies {
    budget: Arc<Semaphore>,
    shape: Shape,
    idle: Duration,
    timeout: Duration,
}

impl Bodies {
    pub(crate) fn new(config: &Gateway) -> Self {
        Self {
            budget: Arc::new(Semaphore::new(config.body_memory_bytes)),
            shape: Shape {
                depth: config.max_json_depth,
                values: config.max_json_values,
            },
            idle: config.body_idle(),
            timeout: config.body_timeout(),
        }
    }

    /// Room for this many bytes, as soon as there is.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).map_err(|_| full())?;
        let room = Arc::clone(&self.budget).acquire_many_owned(bytes);
        match tokio::time::timeout(self.idle, room).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(full()),
        }
    }

    /// Room for this many bytes more, if there is any.
    fn room_now(&self, bytes: usize) -> Result<OwnedSemaphorePermit> {
        let bytes = u32::try_from(bytes).map_err(|_| full())?;
        Arc::clone(&self.budget)
            .try_acquire_many_owned(bytes)
            .map_err(|_| full())
    }
}

fn full() -> Error {
    Error::new(
        &codes::UNAVAILABLE,
        "too many large bodies at once; send it again in a moment",
    )
}

/// A JSON body that nobody has looked at yet. It holds its room in the budget for as long as it lives: keep it until the
/// request is done.
pub(crate) struct Body {
    bodies: Bodies,
    request: Request,
    room: Option<OwnedSemaphorePermit>,
}

impl<S: Sync> FromRequest<S> for Body
where
    Bodies: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            bodies: Bodies::from_ref(state),
            request,
            room: None,
        })
    }
}

impl Body {
    /// The message. Call it when it is clear that the caller may send one.
    pub(crate) async fn json<T: DeserializeOwned + Serialize>(&mut self) -> Result<T> {
        parse(&self.text().await?)
    }

    /// The bytes of JSON of a shape that is safe to decode.
    pub(crate) async fn text(&mut self) -> Result<Bytes> {
        require_json(self.request.headers())?;
        let bodies = self.bodies.clone();
        let text = self.bytes(&bodies).await?;
        let values = bodies.shape.weigh(&text)?;
        if text.len() > SMALL {
            // Nobody waits for this who holds room already: all would wait for each other.
            self.hold(bodies.room_now(values * VALUE_BYTES)?);
        }
        Ok(text)
    }

    /// Reads to the end or the first limit.
    async fn bytes(&mut self, bodies: &Bodies) -> Result<Bytes> {
        let request = std::mem::take(&mut self.request);
        let limit = request.extensions().get::<MaxBytes>().map_or(0, |limit| limit.0);
        let body = request.into_body();
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large());
        }
        let declared = body
            .size_hint()
            .exact()
            .and_then(|bytes| usize::try_from(bytes).ok());
        if let Some(more @ 1..) = declared.and_then(|bytes| bytes.checked_sub(SMALL)) {
            self.hold(bodies.room(more).await?);
        }
        let mut parts = body.into_data_stream();
        let mut bytes = BytesMut::new();
        let end = Instant::now() + bodies.timeout;
        while let Some(part) = timeout_at(end.min(Instant::now() + bodies.idle), parts.next())
            .await
            .map_err(|_| Error::new(&codes::BODY_TIMEOUT, "the body did not arrive in time"))?
        {
            let part = part.map_err(|error| {
                Error::new(&codes::MALFORMED_REQUEST, "the body could not be read").because(error)
            })?;
            if bytes.len() + part.len() > limit {
                return Err(too_large());
            }
            let before = bytes.len().max(SMALL);
            bytes.extend_from_slice(&part);
            if declared.is_none()
                && let Some(more @ 1..) = bytes.len().checked_sub(before)
            {
                self.hold(bodies.room_now(more)?);
            }
        }
        Ok(bytes.freeze())
    }

    fn hold(&mut self, more: OwnedSemaphorePermit) {
        match &mut self.room {
            Some(room) => room.merge(more),
            None => self.room = Some(more),
        }
    }
}

/// Says that a connection ends when its request was refused with a body that may not have been read: the rest of it is still
/// on its way, so nothing else can be sent behind it.
pub(crate) async fn close_unread(request: Request, next: Next) -> Response {
    let small = request
        .body()
        .size_hint()
        .upper()
        .is_some_and(|bytes| bytes <= SMALL as u64);
    let mut response = next.run(request).await;
    if !small && !response.status().is_success() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

fn too_large() -> Error {
    Error::new(&codes::BODY_TOO_LARGE, "the body is larger than the limit")
}

fn require_json(headers: &HeaderMap) -> Result<()> {
    let Some(declared) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = declared
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    let essence = essence.to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(Error::new(
        &codes::UNSUPPORTED_TYPE,
        "the body must be application/json",
    ))
}

#[cfg(test)]
mod tests {
    use smartcourse_platform::config::Config;

    use super::*;
    use crate::config::CONFIG;

    #[tokio::test]
    async fn who_finds_no_room_waits_for_a_while() {
        let config = Config::load(&[CONFIG], None, &[]).expect("defaults");
        let mut config: Gateway = config.section().expect("is declared");
        (config.body_memory_bytes, config.body_idle_seconds) = (100, 1);
        let bodies = Bodies::new(&config);
        let first = bodies.room(60).await.expect("has room");
        let refused = bodies.room(60).await.expect_err("finds none");
        assert!(refused.is(&codes::UNAVAILABLE));
        drop(first);
        drop(bodies.room(60).await.expect("has room again"));
        assert!(bodies.room(101).await.is_err(), "never has");
    }

    #[test]
    fn only_json_is_taken() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(value));
            require_json(&headers)
        };
        assert!(
            with("application/json; charset=utf-8").is_ok() && with("application/merge-patch+json").is_ok()
        );
        assert!(with("text/plain").is_err());
    }
}
