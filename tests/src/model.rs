//! A model that writes, for both protocols: chat completions as OpenAI streams them, and Anthropic's Messages. It says what it is told
//! to, call by call, or fails as providers do.

use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::AbortHandle};

use crate::Call;

/// What becomes of a call.
#[derive(Debug, Clone)]
pub enum Says {
    /// The whole of this, word by word.
    This(String),
    /// This, and then it is stopped since it has written too much.
    Stopped(String),
    /// This, until so many events were sent; then the connection breaks, or, when false, the answer just ends.
    Until(String, usize, bool),
    /// This, after which an event that is no JSON comes.
    Broken(String),
    /// This, and then the error that says there is too much to do.
    GivesUp(String),
    /// A status, after so many seconds, as the header asks.
    Status(u16, Option<&'static str>),
    /// An answer without any event.
    Empty,
    /// Nothing, as long as the connection stands; or, when true, the head of an answer and then nothing.
    Nothing(bool),
}

impl Says {
    /// The whole of this.
    pub fn this(text: &str) -> Self {
        Self::This(text.to_owned())
    }
}

/// An HTTP server on this machine; it ends when it is dropped.
pub struct Model {
    /// Its address: the base of Anthropic's protocol, and with `/v1` that of OpenAI's.
    pub url: String,
    desk: Desk,
    serving: AbortHandle,
}

#[derive(Clone, Default)]
struct Desk {
    calls: Arc<Mutex<Vec<Call>>>,
    next: Arc<Mutex<VecDeque<Says>>>,
}

#[derive(Clone, Copy)]
enum Protocol {
    OpenAi,
    Anthropic,
}

impl Model {
    /// Starts one that says nothing but `NONE`.
    ///
    /// # Errors
    /// When there is no port for it.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let desk = Desk::default();
        let write = |protocol| {
            post(async move |State(desk): State<Desk>, request: Request| desk.take(protocol, request).await)
        };
        let models = async || Json(json!({ "data": [{ "id": "writer" }] }));
        let app = Router::new()
            .route("/v1/chat/completions", write(Protocol::OpenAi))
            .route("/v1/messages", write(Protocol::Anthropic))
            .route("/v1/models", get(models))
            .with_state(desk.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            url,
            desk,
            serving: serving.abort_handle(),
        })
    }

    /// What it says from now on, call by call; the last one again and again.
    pub fn says(&self, says: impl IntoIterator<Item = Says>) {
        *lock(&self.desk.next) = says.into_iter().collect();
    }

    /// The calls so far.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.desk.calls).clone()
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Desk {
    async fn take(&self, protocol: Protocol, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        lock(&self.calls).push(Call {
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: body.to_vec(),
        });
        let says = {
            let mut next = lock(&self.next);
            match next.len() {
                0 => Says::this("NONE"),
                1 => next[0].clone(),
                _ => next.pop_front().unwrap_or(Says::Empty),
            }
        };
        answer(protocol, says).await
    }
}

async fn answer(protocol: Protocol, says: Says) -> Response {
    match says {
        Says::This(text) => events(protocol.all(&text, true), None),
        Says::Stopped(text) => events(protocol.all(&text, false), None),
        Says::Until(text, count, breaks) => {
            let mut all = protocol.all(&text, true);
            all.truncate(count);
            let end = breaks.then(|| io::Error::other("cut"));
            events(all, end)
        }
        Says::Broken(text) => {
            let mut all = protocol.all(&text, true);
            all.truncate(all.len() - protocol.closing());
            all.push("data: {\"choices\": [{\n\n".to_owned());
            events(all, None)
        }
        Says::GivesUp(text) => {
            let mut all = protocol.all(&text, true);
            all.truncate(all.len() - protocol.closing());
            all.push(protocol.gives_up());
            events(all, None)
        }
        Says::Status(status, after) => {
            let wrong = json!({"type": "error", "error": {
                "type": "some_error", "message": "the key sk-secret is not good",
            }});
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            let mut response = (status, Json(wrong)).into_response();
            if let Some(value) = after.and_then(|after| after.parse().ok()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
            response
        }
        Says::Empty => events(Vec::new(), None),
        Says::Nothing(false) => std::future::pending().await,
        Says::Nothing(true) => {
            let silent = stream::pending::<Result<Bytes, Infallible>>();
            streamed(Body::from_stream(silent))
        }
    }
}

fn events(events: Vec<String>, end: Option<io::Error>) -> Response {
    let events = events.into_iter().map(Ok).chain(end.map(Err));
    // One by one, so that what came before a cut has been sent.
    let events = stream::iter(events).then(async |event| {
        tokio::task::yield_now().await;
        event
    });
    streamed(Body::from_stream(events))
}

fn streamed(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], body).into_response()
}

impl Protocol {
    /// The events of an answer that says this.
    fn all(self, text: &str, is_whole: bool) -> Vec<String> {
        let words = text.split_inclusive(' ');
        match self {
            Self::OpenAi => {
                let chunk = |delta: Value, finished: Value| {
                    let choice = json!({"index": 0, "delta": delta, "finish_reason": finished});
                    data(&json!({"object": "chat.completion.chunk", "choices": [choice], "usage": null}))
                };
                let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
                events.extend(words.map(|word| chunk(json!({"content": word}), Value::Null)));
                events.push(chunk(json!({}), json!(if is_whole { "stop" } else { "length" })));
                let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
                events.push(data(
                    &json!({"object": "chat.completion.chunk", "choices": [], "usage": usage}),
                ));
                events.push("data: [DONE]\n\n".to_owned());
                events
            }
            Self::Anthropic => {
                let event = |value: Value| {
                    let name = value["type"].as_str().unwrap_or_default().to_owned();
                    format!("event: {name}\n{}", data(&value))
                };
                let usage = json!({"input_tokens": 100, "output_tokens": 1});
                let block = json!({"type": "text", "text": ""});
                let mut events = vec![
                    event(json!({"type": "message_start", "message": {"role": "assistant", "usage": usage}})),
                    event(json!({"type": "content_block_start", "index": 0, "content_block": block})),
                    event(json!({"type": "ping"})),
                ];
                events.extend(words.map(|word| {
                    let delta = json!({"type": "text_delta", "text": word});
                    event(json!({"type": "content_block_delta", "index": 0, "delta": delta}))
                }));
                let reason = if is_whole { "end_turn" } else { "max_tokens" };
                events.extend([
                    event(json!({"type": "content_block_stop", "index": 0})),
                    event(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 10}})),
                    event(json!({"type": "message_stop"})),
                ]);
                events
            }
        }
    }

    /// How many events end an answer, after its last word.
    fn closing(self) -> usize {
        3
    }

    fn gives_up(self) -> String {
        let error = json!({"type": "overloaded_error", "message": "Overloaded"});
        match self {
            Self::OpenAi => data(&json!({ "error": error })),
            Self::Anthropic => format!(
                "event: error\n{}",
                data(&json!({"type": "error", "error": error}))
            ),
        }
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}
