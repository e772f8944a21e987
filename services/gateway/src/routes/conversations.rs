//! A user's conversations with the assistant.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;
use smartcourse_platform::Result;
use smartcourse_proto::assistant::{
    AskEvent, Conversation, ConversationPage, ConversationRef, ListConversationsRequest, TurnRef,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ask::told, page::PageQuery, sse};
use crate::{
    auth::SignedIn,
    edge::{Json, PathOf, Query},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
        .routes(routes!(follow))
}

/// Follow the answer of a turn once more; resumes after `Last-Event-ID`
///
/// Its events are those that `POST /courses/{id}/ask` sent, byte by byte, also while it is still being answered.
#[utoipa::path(get, path = "/conversations/{id}/turns/{n}/events", tag = "assistant", security(("bearer" = [])),
    params(("id" = String, Path, description = "The conversation"),
        ("n" = i32, Path, description = "The number of the turn, as `meta` has it", minimum = 1),
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that arrived")),
    responses(
        (status = 200, content_type = "text/event-stream", body = AskEvent, description = "The events after that one"),
        (status = 204, description = "All events have arrived")))]
async fn follow(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((conversation_id, n)): PathOf<(String, i32)>,
    headers: HeaderMap,
) -> Result<Response> {
    let place = app.feeds.place(actor.user()?.0)?;
    let after = sse::last_event_id(&headers);
    let request = actor.request(TurnRef {
        conversation_id,
        n,
        after,
    });
    let mut stream = app.stubs.assistant.follow_turn(request).await?;
    Ok(match stream.message().await? {
        // An event source that gets 204 does not come back.
        None => StatusCode::NO_CONTENT.into_response(),
        first => told(first, stream, Some(place)),
    })
}

/// What to find.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WordsQuery {
    /// Words of its questions and answers, all of them, or how they begin.
    #[serde(default)]
    q: String,
}

/// List or search my conversations, without their turns
#[utoipa::path(get, path = "/conversations", tag = "assistant", security(("bearer" = [])), params(WordsQuery, PageQuery),
    responses((status = 200, body = ConversationPage)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(WordsQuery { q }): Query<WordsQuery>,
    Query(PageQuery { limit, cursor }): Query<PageQuery>,
) -> Result<Json<ConversationPage>> {
    let request = actor.request(ListConversationsRequest { limit, cursor, q });
    Ok(Json(app.stubs.assistant.list_conversations(request).await?))
}

/// Read one of my conversations
#[utoipa::path(get, path = "/conversations/{id}", tag = "assistant", security(("bearer" = [])),
    params(("id" = String, Path, description = "The conversation")), responses((status = 200, body = Conversation)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<Json<Conversation>> {
    let request = actor.request(ConversationRef { id });
    Ok(Json(app.stubs.assistant.get_conversation(request).await?))
}

/// Delete one of my conversations
#[utoipa::path(delete, path = "/conversations/{id}", tag = "assistant", security(("bearer" = [])),
    params(("id" = String, Path, description = "The conversation")), responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode> {
    let request = actor.request(ConversationRef { id });
    app.stubs.assistant.delete_conversation(request).await?;
    Ok(StatusCode::NO_CONTENT)
}
