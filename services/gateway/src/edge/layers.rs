//! The layers around the routes: admission, deadline, panics, metrics.

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use smartcourse_platform::{Error, grpc::Actor};
use smartcourse_telemetry::{
    catalogue::{HTTP_IN_FLIGHT, HTTP_REQUESTS, HTTP_SECONDS},
    metric::UnderWay,
    trace,
};
use tower_http::catch_panic::CatchPanicLayer;

use super::{extract::Peer, limit::Limits};
use crate::{
    auth::{Caller, Verifier},
    codes,
};

/// Finds out who calls, and whether one more request of theirs is within the limits.
///
/// Only the `Authorization` header counts: services learn the actor from us, whatever other headers say. A token that
/// is not valid is refused on public routes too, since its owner believes to be signed in.
pub(crate) async fn admit(
    State(verifier): State<Arc<Verifier>>,
    State(limits): State<Limits>,
    mut request: Request,
    next: Next,
) -> Response {
    // Nothing is borrowed from the request across an await: its body is not Sync.
    let token = request.headers().get(header::AUTHORIZATION).map(bearer);
    let Peer(address) = Peer::of(request.extensions());
    let caller = match token {
        // Who signs in or refreshes is not asked for the token that has just expired.
        _ if is_sign_in(request.uri().path()) => Ok(Actor::Anonymous),
        None => Ok(Actor::Anonymous),
        Some(Ok(token)) => verifier.verify(&token).await,
        Some(Err(error)) => Err(error),
    };
    let decision = match &caller {
        Ok(Actor::User { id, .. }) => limits.take_user(id.0).await,
        _ => limits.take_address(address).await,
    };
    let mut response = match (decision.refusal(), caller) {
        (Some(refusal), _) => refusal.into_response(),
        (None, Err(error)) => unauthenticated(error),
        (None, Ok(actor)) => {
            request.extensions_mut().insert(Caller(actor));
            next.run(request).await
        }
    };
    decision.describe(response.headers_mut());
    response
}

fn is_sign_in(path: &str) -> bool {
    matches!(
        path,
        "/auth/login" | "/auth/register" | "/auth/refresh" | "/auth/logout"
    )
}

/// The access token of an `Authorization` header.
pub(crate) fn bearer(value: &HeaderValue) -> Result<String, Error> {
    let refused = || {
        Error::new(
            &codes::UNAUTHENTICATED,
            "Authorization must be `Bearer <access token>`",
        )
    };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(refused)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused());
    }
    Ok(token.trim().to_owned())
}

fn unauthenticated(error: Error) -> Response {
    let challenge = error.is(&codes::UNAUTHENTICATED);
    let mut response = error.into_response();
    if challenge {
        let value = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// Gives up on a request whose answer does not begin in time.
pub(crate) async fn deadline(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::new(&codes::TIMEOUT, "no answer in time").into_response(),
    }
}

/// Counts and times requests by route template: ids would make a series each.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let _under_way = UnderWay::begin(&HTTP_IN_FLIGHT, []);
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    trace::rename(format!("{method} {route}"));
    let mut response = next.run(request).await;
    HTTP_SECONDS.since(begun, [method, route]);
    HTTP_REQUESTS.add(1, [method, route, response.status().as_str()]);
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "OTHER",
    }
}

/// Answers the request of a handler that panicked; the connection and everybody else's requests go on.
pub(crate) fn catch_panic() -> CatchPanicLayer<fn(Box<dyn Any + Send>) -> Response> {
    CatchPanicLayer::custom(panicked)
}

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    Error::internal(format!("a handler panicked: {text}")).into_response()
}

/// A path that is not ours.
pub(crate) async fn not_found() -> Error {
    Error::new(&codes::NOT_FOUND, "there is nothing at this path")
}

/// One of our paths with a method it does not have; the `Allow` header names those it has.
pub(crate) async fn method_not_allowed() -> Error {
    Error::new(&codes::METHOD_NOT_ALLOWED, "this path does not have this method")
}
