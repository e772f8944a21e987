//! The caller as an argument of handlers. The `admit` middleware puts it there; without it everybody is anonymous.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};
use smartcourse_platform::{Error, grpc::Actor};

/// Whoever calls, with or without an account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let admitted = parts.extensions.get::<Self>().copied();
        Ok(admitted.unwrap_or(Self(Actor::Anonymous)))
    }
}

/// A caller with an account; everybody else is answered 401 before the body is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SignedIn(pub(crate) Actor);

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Ok(Caller(actor)) = Caller::from_request_parts(parts, state).await;
        actor.user()?;
        Ok(Self(actor))
    }
}
