//! What people are told, over which channels, and what became of it.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{Html, IntoResponse},
};
use serde::Deserialize;
use smartcourse_platform::{Result, error::Problems, grpc::Actor};
use smartcourse_proto::{
    Wire as _,
    notification::{
        Delivery, DeliveryPage, DeliveryRef, DeliveryState, ListDeliveriesRequest, ListNotificationsRequest,
        Notification, NotificationPage, NotificationRef, Preferences, UnreadCount, UnsubscribeRequest,
    },
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::SignedIn,
    edge::{Body, Id, Json, PathOf, Query},
    state::App,
};

/// Routes whose answer comes at once.
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
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: String,
}

/// List my notifications, the newest first
#[utoipa::path(get, path = "/notifications", tag = "notifications", security(("bearer" = [])), params(FeedQuery),
    responses((status = 200, body = NotificationPage)))]
pub(crate) async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<FeedQuery>,
) -> Result<Json<NotificationPage>> {
    let request = actor.request(ListNotificationsRequest {
        unread_only: query.unread,
        limit: query.limit,
        cursor: query.cursor,
    });
    Ok(Json(app.stubs.notification.list(request).await?))
}

/// Count my unread notifications
#[utoipa::path(get, path = "/notifications/unread-count", tag = "notifications", security(("bearer" = [])),
    responses((status = 200, body = UnreadCount)))]
pub(crate) async fn unread_count(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
) -> Result<Json<UnreadCount>> {
    Ok(Json(
        app.stubs.notification.count_unread(actor.request(())).await?,
    ))
}

/// Mark one of my notifications as read
#[utoipa::path(post, path = "/notifications/{id}/read", tag = "notifications", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The notification")), responses((status = 200, body = Notification)))]
pub(crate) async fn read(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
) -> Result<Json<Notification>> {
    Ok(Json(
        app.stubs
            .notification
            .mark_read(actor.request(NotificationRef { id: id.0 }))
            .await?,
    ))
}

/// Read which channels I want
#[utoipa::path(get, path = "/notifications/preferences", tag = "notifications", security(("bearer" = [])),
    responses((status = 200, body = Preferences)))]
pub(crate) async fn preferences(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
) -> Result<Json<Preferences>> {
    Ok(Json(
        app.stubs.notification.get_preferences(actor.request(())).await?,
    ))
}

/// Say which channels I want; what is absent stays, an empty text takes a number or subscription away
#[utoipa::path(put, path = "/notifications/preferences", tag = "notifications", security(("bearer" = [])),
    request_body = Preferences, responses((status = 200, body = Preferences)))]
pub(crate) async fn set_preferences(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    mut body: Body,
) -> Result<Json<Preferences>> {
    let request: Preferences = body.json().await?;
    Ok(Json(
        app.stubs
            .notification
            .set_preferences(actor.request(request))
            .await?,
    ))
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
pub(crate) async fn unsubscribe_page(Query(_): Query<TokenQuery>) -> impl IntoResponse {
    // A form without an action goes to the page's own address, with its token.
    page(
        "<p>No more e-mails from SmartCourse?</p>\
         <form method=\"post\"><button>Unsubscribe</button></form>",
    )
}

/// End mails with one click (RFC 8058)
#[utoipa::path(post, path = "/unsubscribe", tag = "notifications", params(TokenQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(crate) async fn unsubscribe(
    State(app): State<App>,
    Query(query): Query<TokenQuery>,
) -> Result<impl IntoResponse> {
    let request = UnsubscribeRequest { token: query.token };
    app.stubs
        .notification
        .unsubscribe(Actor::Anonymous.request(request))
        .await?;
    Ok(page("<p>You will get no more e-mails from SmartCourse.</p>"))
}

/// Filters of the list of deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// Only those to this user.
    user_id: Option<i64>,
    /// `queued`, `retrying`, `sent`, `failed` or `suppressed`.
    state: Option<String>,
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: String,
}

/// List what was sent to whom, the newest first
#[utoipa::path(get, path = "/admin/deliveries", tag = "administration", security(("bearer" = [])),
    params(DeliveryQuery), responses((status = 200, body = DeliveryPage)))]
pub(crate) async fn deliveries(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<DeliveryQuery>,
) -> Result<Json<DeliveryPage>> {
    let state = query
        .state
        .as_deref()
        .map(|text| DeliveryState::from_text(text).filter(|state| *state != DeliveryState::Unspecified));
    let mut problems = Problems::default();
    problems.require(
        state != Some(None),
        "state",
        "must be queued, retrying, sent, failed or suppressed",
    );
    problems.finish()?;
    let request = actor.request(ListDeliveriesRequest {
        user_id: query.user_id,
        state: state.flatten().map(Into::into),
        limit: query.limit,
        cursor: query.cursor,
    });
    Ok(Json(app.stubs.notification.list_deliveries(request).await?))
}

/// Send a failed delivery again
#[utoipa::path(post, path = "/admin/deliveries/{id}/replay", tag = "administration", security(("bearer" = [])),
    params(("id" = String, Path, description = "The delivery")), responses((status = 202, body = Delivery)))]
pub(crate) async fn replay_delivery(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf(id): PathOf<String>,
) -> Result<(StatusCode, Json<Delivery>)> {
    let delivery = app
        .stubs
        .notification
        .replay_delivery(actor.request(DeliveryRef { id }))
        .await?;
    Ok((StatusCode::ACCEPTED, Json(delivery)))
}
