//! Questions to the assistant, streamed or in one piece.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use serde_json::json;
use smartcourse_platform::{Error, Result};
use smartcourse_proto::assistant::{Answer, AskEvent, AskEventKind, AskRequest};
use tonic::Streaming;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sse::{self, problem};
use crate::{
    access,
    auth::SignedIn,
    codes,
    edge::{Body, Id, Json},
    state::App,
};

/// Routes that take as long as the file or the answer they carry.
pub(crate) fn slow() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(ask))
}

/// Ask about a course; events `meta`, `citation`, `token`, `done` and `error`, or one object with `Accept: application/json`
#[utoipa::path(post, path = "/courses/{id}/ask", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), request_body = AskRequest,
    responses((status = 200, description = "The answer",
        content((Answer = "application/json"), (AskEvent = "text/event-stream")))))]
pub(crate) async fn ask(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    headers: HeaderMap,
    mut body: Body,
) -> Result<Response> {
    access::require_reader(&app, actor, id.0).await?;
    let mut request: AskRequest = body.json().await?;
    request.course_id = id.0;
    let mut stream = app.stubs.assistant.ask(actor.request(request)).await?;
    if wants_json(&headers) {
        return Ok(Json(whole(&mut stream).await?).into_response());
    }
    // The first event decides whether this is an answer at all: a refusal is a problem, not a stream.
    let first = stream.message().await?;
    Ok(sse::stream(events(first, stream), KeepAlive::default()))
}

/// Whether JSON is named before, or instead of, a stream.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    match (accept.find("application/json"), accept.find("text/event-stream")) {
        (Some(json), Some(stream)) => json < stream,
        (json, _) => json.is_some(),
    }
}

async fn whole(stream: &mut Streaming<AskEvent>) -> Result<Answer> {
    while let Some(event) = stream.message().await? {
        if event.kind() == AskEventKind::Done
            && let Some(answer) = event.answer
        {
            return Ok(answer);
        }
    }
    Err(cut_off())
}

fn cut_off() -> Error {
    Error::new(&codes::UNAVAILABLE, "the answer was cut off")
}

fn events(
    first: Option<AskEvent>,
    mut stream: Streaming<AskEvent>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let mut next = Ok(first);
        loop {
            match next {
                Ok(Some(item)) => {
                    let done = item.kind() == AskEventKind::Done;
                    if let Some(event) = event(item) {
                        yield Ok(event);
                    }
                    if done {
                        return;
                    }
                }
                Ok(None) => {
                    yield Ok(problem(&cut_off()));
                    return;
                }
                Err(status) => {
                    yield Ok(problem(&Error::from(status)));
                    return;
                }
            }
            next = stream.message().await;
        }
    }
}

fn event(item: AskEvent) -> Option<Event> {
    let (name, data) = match item.kind() {
        AskEventKind::Meta => {
            let answer = item.answer.unwrap_or_default();
            (
                "meta",
                json!({ "conversation_id": answer.conversation_id, "version": answer.version }),
            )
        }
        AskEventKind::Citation => ("citation", json!(item.citation?)),
        AskEventKind::Token => ("token", json!({ "text": item.token })),
        AskEventKind::Done => ("done", json!(item.answer?)),
        AskEventKind::Unspecified => return None,
    };
    Some(Event::default().event(name).data(data.to_string()))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_accept_header_decides() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(value));
            wants_json(&headers)
        };
        assert!(with("application/json") && with("application/json, text/event-stream"));
        assert!(!with("text/event-stream") && !with("*/*") && !with("text/event-stream, application/json"));
        assert!(!wants_json(&HeaderMap::new()));
    }
}
