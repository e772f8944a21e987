//! Questions to the assistant, streamed or in one piece.

use std::convert::Infallible;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use serde::Deserialize;
use serde_json::json;
use smartcourse_platform::{Error, Result, concurrency::Place};
use smartcourse_proto::assistant::{
    Answer, AskEvent, AskEventKind, AskRequest, ListQuestionsRequest, QuestionPage,
};
use tonic::Streaming;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    page::PageQuery,
    sse::{self, problem},
};
use crate::{
    access,
    auth::SignedIn,
    codes,
    edge::{Body, Id, Json, Query, prefers},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(questions))
}

pub(crate) fn slow() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(ask))
}

/// Ask about a course; events `meta`, `citation`, `token`, `done` and `error`, or one object with `Accept: application/json`
#[utoipa::path(post, path = "/courses/{id}/ask", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), request_body = AskRequest,
    responses((status = 200, description = "The answer",
        content((Answer = "application/json"), (AskEvent = "text/event-stream")))))]
async fn ask(
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
    Ok(told(first, stream, None))
}

/// The events of an answer, of which the first has come; `place` is that among the streams of the reader.
pub(super) fn told(
    first: Option<AskEvent>,
    stream: Streaming<AskEvent>,
    place: Option<Place<i64>>,
) -> Response {
    sse::stream(events(first, stream, place), KeepAlive::default())
}

/// Which questions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct QuestionsQuery {
    /// Only those that were answered when they were asked last, or only those that were not.
    answered: Option<bool>,
}

/// List what was asked about a course of mine, those first that were asked most often
///
/// What asks for the same in other words is one question.
#[utoipa::path(get, path = "/courses/{id}/questions", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), QuestionsQuery, PageQuery),
    responses((status = 200, body = QuestionPage)))]
async fn questions(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    Query(QuestionsQuery { answered }): Query<QuestionsQuery>,
    Query(PageQuery { limit, cursor }): Query<PageQuery>,
) -> Result<Json<QuestionPage>> {
    access::require_owner(&app, actor, id.0).await?;
    let request = actor.request(ListQuestionsRequest {
        course_id: id.0,
        answered,
        limit,
        cursor,
    });
    Ok(Json(app.stubs.assistant.list_questions(request).await?))
}

/// Whether JSON is named before, or instead of, a stream.
fn wants_json(headers: &HeaderMap) -> bool {
    prefers(headers, "application/json", "text/event-stream")
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
    place: Option<Place<i64>>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let _place = place;
        let mut next = Ok(first);
        loop {
            let item = match next.map_err(Error::from).and_then(|item| item.ok_or_else(cut_off)) {
                Ok(item) => item,
                Err(error) => {
                    yield Ok(problem(&error));
                    return;
                }
            };
            let done = item.kind() == AskEventKind::Done;
            if let Some(event) = event(item) {
                yield Ok(event);
            }
            if done {
                return;
            }
            next = stream.message().await;
        }
    }
}

fn event(item: AskEvent) -> Option<Event> {
    let n = item.n;
    let (name, data) = match item.kind() {
        AskEventKind::Meta => {
            let Answer {
                conversation_id,
                version,
                ..
            } = item.answer.unwrap_or_default();
            let meta = json!({ "conversation_id": conversation_id, "version": version, "turn": item.turn });
            ("meta", meta)
        }
        AskEventKind::Citation => ("citation", json!(item.citation?)),
        AskEventKind::Token => ("token", json!({ "text": item.token })),
        AskEventKind::Done => ("done", json!(item.answer?)),
        AskEventKind::Unspecified => return None,
    };
    let event = Event::default().event(name).data(data.to_string());
    // Services of 0.2 number no events.
    Some(if n > 0 { event.id(n.to_string()) } else { event })
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

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
