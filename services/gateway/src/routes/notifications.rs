//! What people are told, over which channels, and what became of it.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse},
};
use serde::Deserialize;
use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::notification::{
    Delivery, DeliveryPage, DeliveryRef, DeliveryState, ListDeliveriesRequest, ListNotificationsRequest,
    Notification, NotificationPage, NotificationRef, Preferences, UnreadCount, UnsubscribeRequest,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::PageQuery;
use crate::{
    auth::SignedIn,
    edge::{Body, Id, Json, PathOf, Query, word},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(unread_count))
        .routes(routes!(read))
        .routes(routes!(preferences, set_preferences))
        .routes(routes!(unsubscribe_page, unsubscribe))
        .routes(routes!(deliveries))
        .routes(routes!(replay_delivery))
}

/// Filters of the feed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FeedQuery {
    /// Only what was not read yet.
    #[serde(default)]
    unread: bool,
}

/// List my notifications, the newest first
#[utoipa::path(get, path = "/notifications", tag = "notifications", security(("bearer" = [])), params(FeedQuery, PageQuery),
    responses((status = 200, body = NotificationPage)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<FeedQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<NotificationPage>> {
    let request = actor.request(ListNotificationsRequest {
        unread_only: query.unread,
        limit: page.limit,
        cursor: page.cursor,
    });
    Ok(Json(app.stubs.notification.list(request).await?))
}

/// Count my unread notifications
#[utoipa::path(get, path = "/notifications/unread-count", tag = "notifications", security(("bearer" = [])),
    responses((status = 200, body = UnreadCount)))]
async fn unread_count(State(app): State<App>, SignedIn(actor): SignedIn) -> Result<Json<UnreadCount>> {
    let request = actor.request(());
    Ok(Json(app.stubs.notification.count_unread(request).await?))
}

/// Mark one of my notifications as read
#[utoipa::path(post, path = "/notifications/{id}/read", tag = "notifications", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The notification")), responses((status = 200, body = Notification)))]
async fn read(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<Json<Notification>> {
    let request = actor.request(NotificationRef { id: id.0 });
    Ok(Json(app.stubs.notification.mark_read(request).await?))
}

/// Read which channels I want
#[utoipa::path(get, path = "/notifications/preferences", tag = "notifications", security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
async fn preferences(State(app): State<App>, SignedIn(actor): SignedIn) -> Result<Json<Preferences>> {
    let request = actor.request(());
    Ok(Json(app.stubs.notification.get_preferences(request).await?))
}

/// Say which channels I want; what is absent stays, an empty text takes a number or subscription away
#[utoipa::path(put, path = "/notifications/preferences", tag = "notifications", security(("bearer" = [])),
    request_body = Preferences, responses((status = 200, body = Preferences)))]
async fn set_preferences(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    mut body: Body,
) -> Result<Json<Preferences>> {
    let request: Preferences = body.json().await?;
    let request = actor.request(request);
    Ok(Json(app.stubs.notification.set_preferences(request).await?))
}

/// The token of a mail.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TokenQuery {
    /// From the link in the mail.
    token: String,
}

/// A page that loads nothing and sends its form to where it came from.
fn page(body: &str) -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'";
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>SmartCourse</title>\
         <meta name=\"viewport\" content=\"width=device-width\"></head>\
         <body style=\"font-family: sans-serif; max-width: 36em; margin: 3em auto\">{body}</body></html>\n"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(html))
}

/// Ask whether mails should end: programs that look at every link of a mail change nothing by it
#[utoipa::path(get, path = "/unsubscribe", tag = "notifications", params(TokenQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
async fn unsubscribe_page(Query(_): Query<TokenQuery>) -> impl IntoResponse {
    // A form without an action goes to the page's own address, with its token.
    page(
        "<p>No more e-mails from SmartCourse?</p>\
         <form method=\"post\"><button>Unsubscribe</button></form>",
    )
}

/// End mails with one click (RFC 8058)
#[utoipa::path(post, path = "/unsubscribe", tag = "notifications", params(TokenQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
async fn unsubscribe(State(app): State<App>, Query(query): Query<TokenQuery>) -> Result<impl IntoResponse> {
    let request = Actor::Anonymous.request(UnsubscribeRequest { token: query.token });
    app.stubs.notification.unsubscribe(request).await?;
    Ok(page("<p>You will get no more e-mails from SmartCourse.</p>"))
}

/// Filters of the list of deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// Only those to this user.
    user_id: Option<i64>,
    /// Only in this state.
    #[param(value_type = Option<DeliveryState>)]
    state: Option<String>,
}

/// List what was sent to whom, the newest first
#[utoipa::path(get, path = "/admin/deliveries", tag = "administration", security(("bearer" = [])),
    params(DeliveryQuery, PageQuery), responses((status = 200, body = DeliveryPage)))]
async fn deliveries(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<DeliveryQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<DeliveryPage>> {
    let must = "must be queued, retrying, sent, failed or suppressed";
    let state = word::<DeliveryState>("state", query.state, must)?;
    let request = actor.request(ListDeliveriesRequest {
        user_id: query.user_id,
        state: state.map(Into::into),
        limit: page.limit,
        cursor: page.cursor,
    });
    Ok(Json(app.stubs.notification.list_deliveries(request).await?))
}

/// Send a failed delivery again
#[utoipa::path(post, path = "/admin/deliveries/{id}/replay", tag = "administration", security(("bearer" = [])),
    params(("id" = String, Path, description = "The delivery")), responses((status = 202, body = Delivery)))]
async fn replay_delivery(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<(StatusCode, Json<Delivery>)> {
    let request = actor.request(DeliveryRef { id });
    let delivery = app.stubs.notification.replay_delivery(request).await?;
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}
