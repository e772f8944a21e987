//! Chat completions as OpenAI has them, and whoever speaks its protocol: llama.cpp, Ollama, vLLM.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
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

/// OpenAI itself, which has another name for the most tokens of an answer than the servers that speak its protocol.
const OPENAI: &str = "https://api.openai.com/v1";

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[
        ("OPENAI_BASE_URL", "openai.url"),
        ("OPENAI_API_KEY", "openai.api_key"),
        ("OPENAI_MODEL", "openai.model"),
    ],
    ..Declared::of(
        r#"[openai]
# Base address of chat completions: OpenAI's own, or that of a server that speaks its protocol, such as http://127.0.0.1:8081/v1;
# OPENAI_BASE_URL wins.
url = "https://api.openai.com/v1"
# What it knows us by; OPENAI_API_KEY wins. "": answers are not written by OpenAI, but a server of another address may ask for none.
api_key = ""
# The model that writes; OPENAI_MODEL wins.
model = "gpt-4.1-mini"
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[openai]`
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
    /// Whether it is named: by a key, or by an address that is not OpenAI's.
    pub(super) fn is_named(&self) -> bool {
        !self.api_key.expose_secret().is_empty() || !self.is_openai()
    }

    fn is_openai(&self) -> bool {
        self.url.trim_end_matches('/') == OPENAI
    }
}

impl Section for Settings {
    const NAME: &'static str = "openai";

    fn check(&self, problems: &mut Problems) {
        check(problems, Self::NAME, &self.url, &self.api_key, &self.model);
    }
}

/// A server that speaks the protocol.
pub(super) struct OpenAi {
    completions: Url,
    models: Url,
    authorization: Option<HeaderValue>,
    model: String,
    is_openai: bool,
}

impl OpenAi {
    /// With our key. Fails when a setting cannot be used.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        let key = settings.api_key.expose_secret();
        let authorization = (!key.is_empty()).then(|| secret(&format!("Bearer {key}")));
        Ok(Self {
            completions: at(&settings.url, &["chat", "completions"])?,
            models: at(&settings.url, &["models"])?,
            authorization: authorization.transpose()?,
            model: settings.model.clone(),
            is_openai: settings.is_openai(),
        })
    }

    fn request(&self, method: Method, url: &Url, body: Bytes) -> Result<Request<Bytes>> {
        let authorization = self.authorization.as_ref();
        let headers = authorization.map(|value| (header::AUTHORIZATION, value));
        request(method, url, headers, body)
    }
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Wrong>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: i64,
    #[serde(default)]
    completion_tokens: i64,
}

impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn url(&self) -> &Url {
        &self.completions
    }

    fn ask(&self, prompt: &Prompt, max_tokens: u32) -> Result<Request<Bytes>> {
        let mut body = json!({
            "model": self.model,
            "messages": [
                { "role": "system", "content": prompt.system },
                { "role": "user", "content": prompt.user },
            ],
            "stream": true,
            "stream_options": { "include_usage": true },
        });
        let most = if self.is_openai {
            "max_completion_tokens"
        } else {
            "max_tokens"
        };
        body[most] = Value::from(max_tokens);
        self.request(Method::POST, &self.completions, body.to_string().into())
    }

    fn models(&self) -> Result<Request<Bytes>> {
        self.request(Method::GET, &self.models, Bytes::new())
    }

    fn read(&self, data: &str) -> Option<Vec<Said>> {
        if data.trim() == "[DONE]" {
            return Some(vec![Said::End]);
        }
        let chunk: Chunk = serde_json::from_str(data).ok()?;
        let mut said = Vec::new();
        if let Some(wrong) = chunk.error {
            said.push(Said::Failed(wrong.kind.unwrap_or_default()));
        }
        for choice in chunk.choices {
            said.extend(
                choice
                    .delta
                    .content
                    .filter(|text| !text.is_empty())
                    .map(Said::Text),
            );
            said.extend(
                choice
                    .finish_reason
                    .map(|reason| Said::Finished(reason == "stop")),
            );
        }
        if let Some(usage) = chunk.usage {
            said.extend([
                Said::Input(usage.prompt_tokens),
                Said::Output(usage.completion_tokens),
            ]);
        }
        Some(said)
    }
}
