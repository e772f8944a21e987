//! HTTP to providers outside: each call ends in time, no redirect is followed, an answer is short.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use smartcourse_platform::{Error, Result, error::codes};

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long one connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1024;

/// Answers with 4xx that say nothing of the message: it came too slowly or too often, or our credentials are wrong.
const PASSING: [StatusCode; 4] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
];

/// A client for one provider.
#[derive(Clone)]
pub(crate) struct Outgoing {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    provider: &'static str,
}

impl Outgoing {
    /// A client that trusts the certificates this machine trusts.
    pub(crate) fn new(provider: &'static str) -> Result<Self> {
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(https()?),
            provider,
        })
    }

    /// Sends a request; `delivery_refused` when the provider will never take it, else an error that passes or that whoever
    /// runs the product can mend.
    pub(crate) async fn send(&self, request: http::Request<Vec<u8>>) -> Result<()> {
        self.judge(&self.call(request).await?)
    }

    /// Sends a request and answers what came back, whatever it says.
    pub(crate) async fn call(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Bytes>> {
        let call = async {
            let response = self
                .client
                .request(request.map(|body| Full::new(body.into())))
                .await
                .map_err(|error| self.failed("does not answer").because(error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            Ok(http::Response::from_parts(head, body))
        };
        tokio::time::timeout(TIMEOUT, call)
            .await
            .unwrap_or_else(|_| Err(self.failed("does not answer in time")))
    }

    /// What an answer means to the message.
    pub(crate) fn judge(&self, answer: &http::Response<Bytes>) -> Result<()> {
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let detail = format!("answers {status}: {}", excerpt(answer.body()));
        if status.is_client_error() && !PASSING.contains(&status) {
            let detail = format!("{} {detail}", self.provider);
            return Err(Error::new(&codes::DELIVERY_REFUSED, detail));
        }
        Err(self.failed(&detail))
    }

    fn failed(&self, detail: &str) -> Error {
        Error::new(&codes::DELIVERY_FAILED, format!("{} {detail}", self.provider))
    }
}

/// The begin of an answer, for an administrator to read.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Connections that trust the certificates this machine trusts.
pub(crate) fn https() -> Result<HttpsConnector<HttpConnector>> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECTING));
    let unreadable =
        |error| Error::internal("the certificates of this machine cannot be read").because(error);
    Ok(HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
        .map_err(unreadable)?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp))
}
