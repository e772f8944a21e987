//! What the adapters of providers have in common: a request, and what each event of its answer says.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::{Error, Result, config::Problems};
use url::{Host, Url};

use super::prompt::Prompt;

/// A provider's way to be asked.
pub(super) trait Provider: Send + Sync {
    /// Names the adapter.
    fn name(&self) -> &'static str;
    /// The model that is asked.
    fn model(&self) -> &str;
    /// Where it is asked.
    fn url(&self) -> &Url;
    /// Asks it to write, event by event, so many tokens at most.
    fn ask(&self, prompt: &Prompt, max_tokens: u32) -> Result<Request<Bytes>>;
    /// Asks which models there are.
    fn models(&self) -> Result<Request<Bytes>>;
    /// What an event says; nothing of one that is not known, and `None` of one that cannot be read.
    fn read(&self, data: &str) -> Option<Vec<Said>>;
}

/// What an event of an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// The answer goes on with this.
    Text(String),
    /// The prompt was of so many tokens.
    Input(i64),
    /// The answer is of so many tokens so far.
    Output(i64),
    /// The model has written all it wanted to, or, when false, was stopped.
    Finished(bool),
    /// Nothing comes any more.
    End,
    /// The provider gives up, for this reason.
    Failed(String),
}

/// What is wrong, as providers say it.
#[derive(Deserialize)]
pub(super) struct Wrong {
    #[serde(rename = "type", default)]
    pub(super) kind: Option<String>,
}

/// A base address with the path of a call.
pub(super) fn at(base: &str, path: &[&str]) -> Result<Url> {
    let broken = || Error::internal(format!("`{base}` cannot be the address of a model"));
    let mut url = Url::parse(base).map_err(|error| broken().because(error))?;
    url.path_segments_mut()
        .map_err(|()| broken())?
        .pop_if_empty()
        .extend(path);
    Ok(url)
}

/// A call whose body is JSON, with these headers besides.
pub(super) fn request<'h>(
    method: Method,
    url: &Url,
    headers: impl IntoIterator<Item = (HeaderName, &'h HeaderValue)>,
    body: Bytes,
) -> Result<Request<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(url.as_str())
        .header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(body);
    request.map_err(|error| Error::internal("a request to a model is broken").because(error))
}

/// The value of a header that is not to be shown.
pub(super) fn secret(value: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::try_from(value)
        .map_err(|error| Error::internal("the key of a model cannot be used").because(error))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Notes what is wrong with the address, key and model of `section`.
pub(super) fn check(problems: &mut Problems, section: &str, url: &str, key: &SecretString, model: &str) {
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
