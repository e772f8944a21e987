//! A user's conversations with the assistant.

use axum::{extract::State, http::StatusCode};
use smartcourse_platform::Result;
use smartcourse_proto::assistant::{
    Conversation, ConversationPage, ConversationRef, ListConversationsRequest,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::PageQuery;
use crate::{
    auth::SignedIn,
    edge::{Json, PathOf, Query},
    state::App,
};

/// Routes whose answer comes at once.
pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
}

/// List my conversations, without their turns
#[utoipa::path(get, path = "/conversations", tag = "assistant", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = ConversationPage)))]
pub(crate) async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(page): Query<PageQuery>,
) -> Result<Json<ConversationPage>> {
    let request = actor.request(ListConversationsRequest {
        limit: page.limit,
        cursor: page.cursor,
    });
    Ok(Json(app.stubs.assistant.list_conversations(request).await?))
}

/// Read one of my conversations
#[utoipa::path(get, path = "/conversations/{id}", tag = "assistant", security(("bearer" = [])),
    params(("id" = String, Path, description = "The conversation")), responses((status = 200, body = Conversation)))]
pub(crate) async fn get(
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
pub(crate) async fn delete(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode> {
    app.stubs
        .assistant
        .delete_conversation(actor.request(ConversationRef { id }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
