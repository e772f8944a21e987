//! What the servers of models have in common: an address, a key, and how they refuse.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::{Error, Result, config::Problems};
use url::{Host, Url};

/// What is wrong, as servers of models say it.
#[derive(Deserialize)]
pub(crate) struct Wrong {
    #[serde(rename = "type", default)]
    pub(crate) kind: Option<String>,
}

/// A base address with the path of a call.
pub(crate) fn at(base: &str, path: &[&str]) -> Result<Url> {
    let broken = || Error::internal(format!("`{base}` cannot be the address of a model"));
    let mut url = Url::parse(base).map_err(|error| broken().because(error))?;
    url.path_segments_mut()
        .map_err(|()| broken())?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

/// What an answer that is none means.
pub(crate) struct Refusal {
    /// For people, without anything that is secret: the message itself may tell of the key.
    pub(crate) what: String,
    /// Whether the same call may go well later, and how long the server asks to wait.
    pub(crate) passes: bool,
    pub(crate) wait: Option<Duration>,
}

impl Refusal {
    /// Of an answer with this status, these headers and this body.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: Wrong,
        }
        let kind = serde_json::from_slice::<Body>(body)
            .ok()
            .and_then(|body| body.error.kind);
        let kind = kind.as_deref().unwrap_or("it does not say why");
        let passing = [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::CONFLICT,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        let asks = headers
            .get(header::RETRY_AFTER)
            .and_then(|asks| asks.to_str().ok());
        let seconds = asks.and_then(|asks| asks.trim().parse::<f64>().ok());
        Self {
            what: format!("answers {} ({kind})", status.as_u16()),
            passes: status.is_server_error() || passing.contains(&status),
            wait: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        }
    }
}

/// The value of a header that is not to be shown.
pub(crate) fn secret(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|error| Error::internal("the key of a model cannot be used").because(error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Notes what is wrong with the address, key and model of `section`.
pub(crate) fn check(problems: &mut Problems, section: &str, url: &str, key: &SecretString, model: &str) {
    let key = key.expose_secret();
    let parsed = Url::parse(url).ok();
    let is_http = parsed.as_ref().is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
    });
    problems.require(
        is_http,
        format!("{section}.url: must be an http or https address without a user in it"),
    );
    problems.require(
        key.chars().all(|c| c.is_ascii_graphic()),
        format!("{section}.api_key: must be printable ASCII without spaces"),
    );
    let in_the_open = parsed.is_some_and(|url| url.scheme() == "http" && !is_near(&url));
    problems.require(
        key.is_empty() || !in_the_open,
        format!("{section}.url: must be https, or everybody on the way could read {section}.api_key"),
    );
    problems.require(
        !model.trim().is_empty(),
        format!("{section}.model: must name a model"),
    );
}

/// Whether a host is this machine or one of its own network, as far as its name or address tells.
fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_private(),
        Some(Host::Ipv6(address)) => address.is_loopback() || address.is_unique_local(),
        Some(Host::Domain(name)) => {
            let ends = [".local", ".internal", ".localhost", ".svc"];
            !name.contains('.') || ends.iter().any(|end| name.ends_with(end))
        }
        None => false,
    }
}
