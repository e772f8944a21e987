//! What the adapters of providers have in common: a request, and what each event of its answer says.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header};
use smartcourse_platform::{Error, Result};
use url::Url;

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
