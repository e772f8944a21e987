//! Extractors whose refusals are problems with the documented codes, and answers.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Path},
    http::{Extensions, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use smartcourse_platform::{Error, Result, error::Problems};
use smartcourse_proto::Wire;

use super::json::nul;
use crate::codes;

/// An answer as JSON.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        Written::new(&self.0).into_response()
    }
}

/// An answer that is JSON already: readers who share a read share its writing.
#[derive(Debug, Clone)]
pub(crate) struct Written(Bytes);

impl Written {
    pub(crate) fn new(answer: &impl Serialize) -> Result<Self> {
        serde_json::to_vec(answer)
            .map(|bytes| Self(bytes.into()))
            .map_err(|error| Error::internal("an answer could not be written").because(error))
    }
}

impl IntoResponse for Written {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/json")], self.0).into_response()
    }
}

/// The character NUL within an address.
const NUL: &str = "%00";

/// Path parameters; one that does not fit names nothing, so it is not found.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let nothing = || Error::new(&codes::NOT_FOUND, "there is nothing at this path");
        if parts.uri.path().contains(NUL) {
            return Err(nothing());
        }
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value)).map_err(|_| nothing())
    }
}

/// The address of whoever holds the other end of the connection; unspecified where there is none, as in a test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let info = extensions.get::<ConnectInfo<SocketAddr>>();
        Self(info.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip()))
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.extensions))
    }
}

/// The `{id}` of a path.
pub(crate) type Id = PathOf<i64>;

pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        if parts.uri.query().is_some_and(|query| query.contains(NUL)) {
            return Err(nul());
        }
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text
                    .strip_prefix("Failed to deserialize query string: ")
                    .unwrap_or(&text);
                let (field, message) = text.split_once(": ").unwrap_or(("query", text));
                Err(Problems::one(field, message))
            }
        }
    }
}

/// The value a word of a query stands for; `must` says which words there are.
pub(crate) fn word<T: Wire>(field: &str, word: Option<String>, must: &str) -> Result<Option<T>> {
    let known = |word: String| T::from_text(&word).filter(|value| (*value).into() != 0);
    word.map(|word| known(word).ok_or_else(|| Problems::one(field, must)))
        .transpose()
}
