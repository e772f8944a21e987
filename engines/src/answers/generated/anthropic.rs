//! Anthropic's Messages API.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use smartcourse_platform::{
    Result,
    config::{Declared, Problems, Reader, Section},
};
use url::Url;

use super::{
    prompt::Prompt,
    provider::{Provider, Said, request},
};
use crate::model_server::{Wrong, at, check, secret};

/// The version of the API.
static VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[
        ("ANTHROPIC_BASE_URL", "anthropic.url"),
        ("ANTHROPIC_API_KEY", "anthropic.api_key"),
        ("ANTHROPIC_MODEL", "anthropic.model"),
    ],
    ..Declared::of(
        r#"[anthropic]
# Base address of the Messages API; ANTHROPIC_BASE_URL wins.
url = "https://api.anthropic.com"
# What it knows us by; ANTHROPIC_API_KEY wins. "": answers are not written by it.
api_key = ""
# The model that writes; ANTHROPIC_MODEL wins.
model = "claude-haiku-4-5"
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[anthropic]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Base address.
    pub url: String,
    /// What it knows us by, or empty.
    pub api_key: SecretString,
    /// The model that writes.
    pub model: String,
}

impl Settings {
    /// Whether it is named, by a key.
    pub(super) fn is_named(&self) -> bool {
        !self.api_key.expose_secret().is_empty()
    }
}

impl Section for Settings {
    const NAME: &'static str = "anthropic";

    fn check(&self, problems: &mut Problems) {
        check(problems, Self::NAME, &self.url, &self.api_key, &self.model);
    }
}

/// The API, with our key.
pub(super) struct Anthropic {
    messages: Url,
    models: Url,
    key: HeaderValue,
    model: String,
}

impl Anthropic {
    /// With our key. Fails when a setting cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            messages: at(&settings.url, &["v1", "messages"])?,
            models: at(&settings.url, &["v1", "models"])?,
            key: secret(settings.api_key.expose_secret())?,
            model: settings.model.clone(),
        })
    }

    fn request(&self, method: Method, url: &Url, body: Bytes) -> Result<Request<Bytes>> {
        let (key, version) = ("x-api-key", "anthropic-version");
        let headers = [(key, &self.key), (version, &VERSION)];
        let headers = headers.map(|(name, value)| (HeaderName::from_static(name), value));
        request(method, url, headers, body)
    }
}

/// An event; those of kinds that are not known say nothing.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockDelta {
        delta: Delta,
    },
    MessageDelta {
        delta: Stopped,
        usage: Option<Usage>,
    },
    MessageStop,
    Error {
        error: Wrong,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    usage: Usage,
}

#[derive(Deserialize)]
struct Delta {
    #[serde(default)]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Stopped {
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Option<i64>,
    #[serde(default)]
    output_tokens: Option<i64>,
}

impl Usage {
    fn said(self) -> impl Iterator<Item = Said> {
        let input = self.input_tokens.map(Said::Input);
        input.into_iter().chain(self.output_tokens.map(Said::Output))
    }
}

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn url(&self) -> &Url {
        &self.messages
    }

    fn ask(&self, prompt: &Prompt, max_tokens: u32) -> Result<Request<Bytes>> {
        let body = json!({
            "model": self.model,
            "max_tokens": max_tokens,
            "system": prompt.system,
            "messages": [{ "role": "user", "content": prompt.user }],
            "stream": true,
        });
        self.request(Method::POST, &self.messages, body.to_string().into())
    }

    fn models(&self) -> Result<Request<Bytes>> {
        self.request(Method::GET, &self.models, Bytes::new())
    }

    fn read(&self, data: &str) -> Option<Vec<Said>> {
        Some(match serde_json::from_str(data).ok()? {
            Event::MessageStart { message } => message.usage.said().collect(),
            Event::ContentBlockDelta { delta } => delta
                .text
                .filter(|text| !text.is_empty())
                .map(Said::Text)
                .into_iter()
                .collect(),
            Event::MessageDelta { delta, usage } => {
                let stopped = delta
                    .stop_reason
                    .map(|reason| Said::Finished(reason == "end_turn"));
                stopped
                    .into_iter()
                    .chain(usage.into_iter().flat_map(Usage::said))
                    .collect()
            }
            Event::MessageStop => vec![Said::End],
            Event::Error { error } => vec![Said::Failed(error.kind.unwrap_or_default())],
            Event::Other => Vec::new(),
        })
    }
}
