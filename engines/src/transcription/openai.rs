//! Audio transcriptions as OpenAI has them, and whoever speaks its protocol: servers of Whisper.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::{
    Error, Result,
    config::{Config, Declared, Problems, Reader, Section},
    error::codes,
    ports::transcription::{Segment, Transcriber},
};
use smartcourse_telemetry::catalogue::MODEL_SECONDS;
use url::Url;
use uuid::Uuid;

use crate::{
    answers::generated::openai,
    model_server::{Refusal, at, check, secret},
    outgoing,
};

/// Bytes of an answer at most.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// The longest that a provider may ask to wait before it is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[
        ("TRANSCRIPTION_BASE_URL", "transcription.url"),
        ("TRANSCRIPTION_API_KEY", "transcription.api_key"),
        ("TRANSCRIPTION_MODEL", "transcription.model"),
    ],
    ..Declared::of(
        r#"[transcription]
# Base address of the server that recordings without subtitles are sent to, such as https://api.openai.com/v1 or
# http://127.0.0.1:8000/v1; TRANSCRIPTION_BASE_URL wins. "": they are sent nowhere.
url = ""
# What it knows us by; TRANSCRIPTION_API_KEY wins. "": that of openai.api_key when openai.url is the same address, else none.
api_key = ""
# The model that is asked; it must answer `verbose_json`, which has times. TRANSCRIPTION_MODEL wins.
model = "whisper-1"
# Seconds until the answer for a piece of five minutes must be there.
timeout_seconds = 300
# Minutes a recording may be long; a longer one is not sent.
max_minutes = 240
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[transcription]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Base address, or empty.
    pub url: String,
    /// What it knows us by, or empty.
    pub api_key: SecretString,
    /// The model that is asked.
    pub model: String,
    /// Seconds for a piece.
    pub timeout_seconds: u64,
    /// Minutes of a recording.
    pub max_minutes: u64,
}

impl Section for Settings {
    const NAME: &'static str = "transcription";

    fn check(&self, problems: &mut Problems) {
        if !self.url.is_empty() {
            check(problems, Self::NAME, &self.url, &self.api_key, &self.model);
        }
        problems.require(
            (1..=400).contains(&self.timeout_seconds),
            "transcription.timeout_seconds: must be 1 to 400",
        );
        problems.require(
            (1..=1440).contains(&self.max_minutes),
            "transcription.max_minutes: must be 1 to 1440",
        );
    }
}

/// A server that speaks the protocol.
pub struct OpenAi {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    transcriptions: Url,
    authorization: Option<HeaderValue>,
    model: String,
    patience: Duration,
    longest: Duration,
}

/// What it answers.
#[derive(Deserialize)]
struct Answer {
    segments: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    start: f64,
    end: f64,
    text: String,
}

impl OpenAi {
    /// The server the configuration names, if it names one. Fails when a setting cannot be used.
    pub fn named(config: &Config) -> Result<Option<Self>> {
        let settings: Settings = config.section()?;
        if settings.url.is_empty() {
            return Ok(None);
        }
        let writer: openai::Settings = config.section()?;
        let address = |url: &str| url.trim_end_matches('/').to_owned();
        // A key is for the server it was given for, and for no other.
        let key = match settings.api_key.expose_secret() {
            "" if address(&writer.url) == address(&settings.url) => writer.api_key.expose_secret(),
            own => own,
        };
        let authorization = (!key.is_empty()).then(|| secret(&format!("Bearer {key}")));
        Ok(Some(Self {
            client: Client::builder(TokioExecutor::new()).build(outgoing::https()?),
            transcriptions: at(&settings.url, &["audio", "transcriptions"])?,
            authorization: authorization.transpose()?,
            model: settings.model,
            patience: Duration::from_secs(settings.timeout_seconds),
            longest: Duration::from_secs(60 * settings.max_minutes),
        }))
    }

    fn request(&self, piece: &[u8], language: Option<&str>) -> Result<Request<Full<Bytes>>> {
        let boundary = Uuid::new_v4().simple().to_string();
        let mut fields = vec![
            ("model", self.model.as_str()),
            ("response_format", "verbose_json"),
        ];
        // It takes languages of two letters, of which others are variants.
        let tag = language.and_then(|language| language.split('-').next());
        fields.extend(tag.filter(|tag| tag.len() == 2).map(|tag| ("language", tag)));
        let mut form = Vec::with_capacity(piece.len() + 1024);
        for (name, value) in fields {
            let field =
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            form.extend(field.into_bytes());
        }
        let file = "Content-Disposition: form-data; name=\"file\"; filename=\"piece.wav\"\r\nContent-Type: audio/wav";
        form.extend(format!("--{boundary}\r\n{file}\r\n\r\n").into_bytes());
        form.extend_from_slice(piece);
        form.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
        let kind = format!("multipart/form-data; boundary={boundary}");
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.transcriptions.as_str())
            .header(header::CONTENT_TYPE, kind);
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::new(form.into()));
        request.map_err(|error| Error::internal("a request for a transcript is broken").because(error))
    }

    async fn ask(&self, piece: &[u8], language: Option<&str>) -> Result<Vec<Segment>> {
        let request = self.request(piece, language)?;
        let call = async {
            let away = |error| unavailable("cannot be reached").because(error);
            let (head, body) = self.client.request(request).await.map_err(away)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unavailable("broke off, or says too much").because(error));
            Ok::<_, Error>((head, body?.to_bytes()))
        };
        let late = |late| unavailable("does not answer in time").because(late);
        let (head, body) = tokio::time::timeout(self.patience, call).await.map_err(late)??;
        if !head.status.is_success() {
            return Err(refused(Refusal::of(head.status, &head.headers, &body)));
        }
        let broken = |error| unavailable("answers without the times of what is said").because(error);
        let answer: Answer = serde_json::from_slice(&body).map_err(broken)?;
        Ok(answer.segments.into_iter().map(Segment::from).collect())
    }
}

impl From<Said> for Segment {
    fn from(Said { start, end, text }: Said) -> Self {
        Self { start, end, text }
    }
}

fn unavailable(what: &str) -> Error {
    Error::new(&codes::UNAVAILABLE, format!("the transcription service {what}"))
}

fn refused(Refusal { what, passes, wait }: Refusal) -> Error {
    if !passes {
        let detail = format!("the transcription service {what}");
        return Error::new(&codes::TRANSCRIPTION_REFUSED, detail);
    }
    let error = unavailable(&what);
    match wait {
        Some(wait) => error.with_fact("retry_after", wait.min(LONGEST_WAIT).as_secs_f64().ceil() as u64),
        None => error,
    }
}

#[async_trait]
impl Transcriber for OpenAi {
    fn model(&self) -> &str {
        &self.model
    }

    fn longest(&self) -> Duration {
        self.longest
    }

    async fn transcribe(&self, piece: Vec<u8>, language: Option<&str>) -> Result<Vec<Segment>> {
        let begun = Instant::now();
        let outcome = self.ask(&piece, language).await;
        let label = outcome.as_ref().map_or_else(Error::code, |_| "ok");
        MODEL_SECONDS.since(begun, [self.model(), "transcribe", label]);
        outcome
    }
}
