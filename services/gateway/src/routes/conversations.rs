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

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(get, delete))
}

/// List my conversations, without their turns
#[utoipa::path(get, path = "/conversations", tag = "assistant", security(("bearer" = [])), params(PageQuery),
    responses((status = 200, body = ConversationPage)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(PageQuery { limit, cursor }): Query<PageQuery>,
) -> Result<Json<ConversationPage>> {
    let request = actor.request(ListConversationsRequest { limit, cursor });
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
