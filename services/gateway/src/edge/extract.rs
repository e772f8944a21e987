//! Extractors whose refusals are problems with the documented codes.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use axum::{
    extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
    http::{Extensions, HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use smartcourse_platform::{
    Error, Result,
    error::{Problems, codes},
};

/// A JSON body on the way in, or an answer on the way out.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        Body::from_request(request, state).await?.parse().map(Json)
    }
}

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

/// The bytes of a JSON body, read but not yet understood.
pub(crate) struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        require_json(request.headers())?;
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(body_error)
    }
}

impl Body {
    /// The body as a message: 400 when it is no JSON, 422 with the path when a value has the wrong type.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        let start = self.0.iter().find(|byte| !byte.is_ascii_whitespace());
        // A list would be taken as the fields of a struct in their order.
        if start != Some(&b'{') {
            serde_json::from_slice::<IgnoredAny>(&self.0).map_err(malformed)?;
            let mut problems = Problems::default();
            problems.add("body", "must be a JSON object");
            problems.finish()?;
        }
        let mut reader = serde_json::Deserializer::from_slice(&self.0);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let cause = error.into_inner();
            if !cause.is_data() {
                return malformed(cause);
            }
            let mut problems = Problems::default();
            problems.add(path, without_position(&cause));
            problems.finish().err().unwrap_or_else(|| malformed(cause))
        })?;
        reader.end().map_err(malformed)?;
        Ok(value)
    }
}

fn malformed(error: serde_json::Error) -> Error {
    Error::new(
        &codes::MALFORMED_REQUEST,
        format!("the body is not JSON: {error}"),
    )
}

/// What is wrong, without the line and column that only make sense next to the bytes.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ")
        .map_or(text.as_str(), |(what, _)| what)
        .to_owned()
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

fn body_error(rejection: BytesRejection) -> Error {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Error::new(&codes::BODY_TOO_LARGE, "the body is larger than the limit")
        }
        _ => Error::new(&codes::MALFORMED_REQUEST, "the body could not be read").because(rejection),
    }
}

/// Path parameters; one that does not fit names nothing, so it is not found.
pub(crate) struct PathOf<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(value)| Self(value))
            .map_err(|_| Error::new(&codes::NOT_FOUND, "there is nothing at this path"))
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

/// Query parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        match axum::extract::Query::<T>::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(rejection) => {
                let text = rejection.body_text();
                let text = text
                    .strip_prefix("Failed to deserialize query string: ")
                    .unwrap_or(&text);
                let (field, message) = text.split_once(": ").unwrap_or(("query", text));
                let mut problems = Problems::default();
                problems.add(field, message);
                problems.finish()?;
                Err(Error::new(
                    &codes::VALIDATION_FAILED,
                    "the query could not be read",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::course::{CreateCourseRequest, PutContentRequest};

    use super::*;

    fn parse<T: DeserializeOwned>(text: &'static str) -> Result<T> {
        Body(Bytes::from_static(text.as_bytes())).parse()
    }

    fn status<T: DeserializeOwned + std::fmt::Debug>(text: &'static str) -> (u16, String) {
        let error = parse::<T>(text).expect_err("is refused");
        (
            error.http_status().as_u16(),
            error
                .fields()
                .first()
                .map(|field| field.field.clone())
                .unwrap_or_default(),
        )
    }

    #[test]
    fn good_bodies_are_read() {
        let request: CreateCourseRequest =
            parse(r#" {"title":"T","level":"beginner","unknown":1} "#).expect("is read");
        assert_eq!(request.title, "T");
    }

    #[test]
    fn broken_json_is_400() {
        for text in [
            "",
            "{",
            "nonsense",
            r#"{"title":"T"} trailing"#,
            "{\"title\":\"\u{0}\"}",
        ] {
            assert_eq!(status::<CreateCourseRequest>(text).0, 400, "{text}");
        }
    }

    #[test]
    fn wrong_types_are_422_with_the_path() {
        assert_eq!(
            status::<CreateCourseRequest>(r#"{"title":7}"#),
            (422, "title".to_owned())
        );
        assert_eq!(
            status::<CreateCourseRequest>(r#"{"level":"wizard"}"#),
            (422, "level".to_owned())
        );
        assert_eq!(
            status::<CreateCourseRequest>(r#"["T"]"#),
            (422, "body".to_owned())
        );
        let nested = r#"{"modules":[{"title":"M","lessons":[{"title":"L","type":"song"}]}]}"#;
        assert_eq!(
            status::<PutContentRequest>(nested),
            (422, "modules[0].lessons[0].type".to_owned())
        );
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
