//! One call of a model: its answer event by event, each in time, and what it took.

use std::{
    io,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use smartcourse_platform::{Error, Result, error::codes};
use smartcourse_proto::assistant::Usage;
use smartcourse_telemetry::catalogue::{MODEL_FIRST_TOKEN_SECONDS, MODEL_SECONDS, MODEL_TOKENS};
use sse_stream::{Sse, SseStream};

use super::{
    prompt::{Prompt, tokens},
    provider::{Provider, Said},
};
use crate::{model_server::Refusal, outgoing};

/// Bytes of an answer at most, and of one that says what is wrong.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
const MAX_WRONG: usize = 16 * 1024;

/// A client of providers, which knows how patient it is.
#[derive(Clone)]
pub(super) struct Caller {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// How long the first event may take, and each after it.
    pub(super) first: Duration,
    pub(super) silence: Duration,
}

/// Why a call came to nothing, or to no good end.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the log and the metrics, without anything that is secret.
    pub(super) error: Error,
    /// Whether the same call may go well later, and how long the provider asks to wait.
    pub(super) passes: bool,
    pub(super) wait: Option<Duration>,
}

impl Failure {
    fn passing(what: impl std::fmt::Display) -> Self {
        Self {
            error: Error::new(&codes::UNAVAILABLE, format!("the model {what}")),
            passes: true,
            wait: None,
        }
    }
}

/// An answer that is being written.
pub(super) struct Call<'c> {
    provider: &'c dyn Provider,
    events: BoxStream<'static, std::result::Result<Sse, sse_stream::Error>>,
    patience: Duration,
    silence: Duration,
    begun: Instant,
    told: bool,
    finished: Option<bool>,
    input: Option<i64>,
    output: Option<i64>,
    estimated: i64,
    written: i64,
}

/// What a call has come to.
pub(super) enum Next {
    /// It goes on with this.
    Text(String),
    /// The model has ended; true when it has written all it wanted to.
    End(bool),
}

impl Caller {
    /// Fails when this machine's certificates cannot be read.
    pub(super) fn new(first: Duration, silence: Duration) -> Result<Self> {
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(outgoing::https()?),
            first,
            silence,
        })
    }

    /// Asks the model.
    pub(super) async fn call<'c>(
        &self,
        provider: &'c dyn Provider,
        prompt: &Prompt,
        max_tokens: u32,
    ) -> std::result::Result<Call<'c>, Failure> {
        let begun = Instant::now();
        let called = self.begin(provider, prompt, max_tokens, begun).await;
        if let Err(failure) = &called {
            MODEL_SECONDS.since(begun, [provider.model(), "write", failure.error.code()]);
        }
        called
    }

    async fn begin<'c>(
        &self,
        provider: &'c dyn Provider,
        prompt: &Prompt,
        max_tokens: u32,
        begun: Instant,
    ) -> std::result::Result<Call<'c>, Failure> {
        let broken = |error| Failure {
            error,
            passes: false,
            wait: None,
        };
        let request = provider.ask(prompt, max_tokens).map_err(broken)?;
        let answer = tokio::time::timeout(self.first, self.client.request(request.map(Full::new))).await;
        let answer = answer
            .map_err(|_| Failure::passing("does not answer in time"))?
            .map_err(|error| Failure::passing(format_args!("cannot be reached: {error}")))?;
        let (head, body) = answer.into_parts();
        if !head.status.is_success() {
            let body = Limited::new(body, MAX_WRONG).collect();
            let body = tokio::time::timeout(self.silence, body).await;
            let body = body.ok().and_then(std::result::Result::ok);
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            return Err(refused(head.status, &head.headers, &body));
        }
        Ok(Call {
            provider,
            events: SseStream::new(Limited::new(body, MAX_ANSWER).map_err(io::Error::other)).boxed(),
            patience: self.first.saturating_sub(begun.elapsed()),
            silence: self.silence,
            begun,
            told: false,
            finished: None,
            input: None,
            output: None,
            estimated: prompt.tokens(),
            written: 0,
        })
    }

    /// What a provider has to say of its models, for whoever looks whether it lets us in.
    pub(super) async fn look(&self, provider: &dyn Provider) -> Result<String> {
        let call = async {
            let request = provider.models()?.map(Full::new);
            let away = |error| Error::new(&codes::UNAVAILABLE, "it cannot be reached").because(error);
            let (head, body) = self.client.request(request).await.map_err(away)?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            Ok::<_, Error>((head, body.map(|body| body.to_bytes()).unwrap_or_default()))
        };
        let late = |late| Error::new(&codes::UNAVAILABLE, "it does not answer in time").because(late);
        let (head, body) = tokio::time::timeout(self.first, call).await.map_err(late)??;
        let model = provider.model();
        match head.status {
            StatusCode::NOT_FOUND => Ok(format!("answers, without a list of models; {model} is asked")),
            status if status.is_success() => Ok(
                match String::from_utf8_lossy(&body).contains(&format!("\"{model}\"")) {
                    true => format!("has {model}"),
                    false => format!("answers, and lists no {model}"),
                },
            ),
            status => Err(refused(status, &head.headers, &body).error),
        }
    }
}

/// What an answer that is none means.
fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Failure {
    let refusal = Refusal::of(status, headers, body);
    Failure {
        passes: refusal.passes,
        wait: refusal.wait,
        ..Failure::passing(refusal.what)
    }
}

impl Call<'_> {
    /// What comes next.
    pub(super) async fn next(&mut self) -> std::result::Result<Next, Failure> {
        let next = self.read().await;
        let outcome = match &next {
            Ok(Next::Text(_)) => return next,
            Ok(Next::End(true)) => "ok",
            Ok(Next::End(false)) => "stopped",
            Err(failure) => failure.error.code(),
        };
        MODEL_SECONDS.since(self.begun, [self.provider.model(), "write", outcome]);
        next
    }

    async fn read(&mut self) -> std::result::Result<Next, Failure> {
        loop {
            let silence = match self.told {
                true => self.silence,
                false => self.patience,
            };
            let event = tokio::time::timeout(silence, self.events.next()).await;
            let event = event.map_err(|_| Failure::passing("has fallen silent"))?;
            let data = match (event, self.finished) {
                (Some(Ok(event)), _) => event.data.unwrap_or_default(),
                // What counts has come.
                (_, Some(whole)) => return Ok(Next::End(whole)),
                (Some(Err(_)) | None, None) => return Err(Failure::passing("broke off")),
            };
            if data.is_empty() {
                continue;
            }
            let said = self.provider.read(&data);
            let said = said.ok_or_else(|| Failure::passing("says what cannot be read"))?;
            let mut text = String::new();
            for said in said {
                match said {
                    Said::Text(more) => text.push_str(&more),
                    Said::Input(tokens) => self.input = Some(tokens),
                    Said::Output(tokens) => self.output = Some(tokens),
                    Said::Finished(whole) => self.finished = Some(whole),
                    Said::End => return Ok(Next::End(self.finished.unwrap_or(true))),
                    Said::Failed(kind) => return Err(Failure::passing(format_args!("gives up ({kind})"))),
                }
            }
            if text.is_empty() {
                continue;
            }
            self.written += tokens(&text);
            if !std::mem::replace(&mut self.told, true) {
                MODEL_FIRST_TOKEN_SECONDS.since(self.begun, [self.provider.model()]);
            }
            return Ok(Next::Text(text));
        }
    }

    /// What it took, without its price; by an estimate what the provider had not said when it broke off.
    pub(super) fn usage(&self) -> Usage {
        let model = self.provider.model();
        let (input, output) = (
            self.input.unwrap_or(self.estimated),
            self.output.unwrap_or_default().max(match self.finished {
                Some(_) if self.output.is_some() => 0,
                _ => self.written,
            }),
        );
        for (kind, count) in [("input", input), ("output", output)] {
            MODEL_TOKENS.add(count.unsigned_abs(), [model, kind]);
        }
        Usage {
            model: model.to_owned(),
            input_tokens: input,
            output_tokens: output,
            cost_millionths: 0,
        }
    }
}
