//! The store's requests over the HTTP client the other adapters use.

use std::{error::Error as StdError, time::Duration};

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector as Tcp},
    rt::TokioExecutor,
};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use smartcourse_platform::Result;
use tower_http::timeout::TimeoutBody;

use crate::outgoing;

/// How long the store may be silent: before it answers, and in the middle of a file. A large file takes as long as it takes.
const SILENCE: Duration = Duration::from_secs(30);

/// A client that trusts the certificates this machine trusts.
#[derive(Debug, Clone)]
pub(super) struct Connector(legacy::Client<HttpsConnector<Tcp>, HttpRequestBody>);

impl Connector {
    pub(super) fn new() -> Result<Self> {
        let client = legacy::Client::builder(TokioExecutor::new()).build(outgoing::https()?);
        Ok(Self(client))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout(SILENCE, self.0.request(request))
            .await
            .map_err(|silent| HttpError::new(HttpErrorKind::Timeout, silent))?;
        let answer = answer.map_err(|error| {
            let kind = match error.is_connect() {
                true => HttpErrorKind::Connect,
                false => HttpErrorKind::Interrupted,
            };
            HttpError::new(kind, error)
        })?;
        Ok(answer.map(|body| {
            let cut = |error: Box<dyn StdError + Send + Sync>| {
                HttpError::new_boxed(HttpErrorKind::Interrupted, error)
            };
            HttpResponseBody::new(TimeoutBody::new(SILENCE, body).map_err(cut))
        }))
    }
}
