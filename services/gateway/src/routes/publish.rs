//! Publishing: start, status, cancellation, preview and versions.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::{
    content::{Preview, PreviewRequest},
    course::{CourseRef, PublishAccepted, PublishRequest, PublishStatus, RestoreRequest, VersionList},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    edge::{Id, IdempotencyKey, Json, PathOf, Written},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(start, status, cancel))
        .routes(routes!(preview))
        .routes(routes!(versions))
        .routes(routes!(restore))
}

/// 202 with the place where the publish can be followed.
fn accepted(course_id: i64, mut answer: PublishAccepted) -> Response {
    let url = format!("/courses/{course_id}/publish");
    answer.status_url.clone_from(&url);
    (StatusCode::ACCEPTED, [(header::LOCATION, url)], Json(answer)).into_response()
}

/// Asks for a publish, for both ways to say so.
pub(crate) async fn accept(
    app: &App,
    actor: Actor,
    id: i64,
    IdempotencyKey(idempotency_key): IdempotencyKey,
) -> Result<Response> {
    let request = actor.request(PublishRequest { id, idempotency_key });
    Ok(accepted(id, app.stubs.course.publish(request).await?))
}

/// Publish the draft; while a publish runs, the answer is that one
#[utoipa::path(post, path = "/courses/{id}/publish", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same publish")),
    responses((status = 202, body = PublishAccepted)))]
async fn start(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    key: IdempotencyKey,
) -> Result<Response> {
    accept(&app, actor, id.0, key).await
}

/// Where the latest publish stands
#[utoipa::path(get, path = "/courses/{id}/publish", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), responses((status = 200, body = PublishStatus)))]
async fn status(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<Written> {
    let read = async {
        let request = actor.request(CourseRef { id: id.0 });
        let status = app.stubs.course.get_publish(request).await?;
        Written::new(&status)
    };
    app.publishes.read((id.0, actor), read).await
}

/// Cancel the publish that runs; what it did is undone
#[utoipa::path(delete, path = "/courses/{id}/publish", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), responses((status = 202, body = PublishStatus)))]
async fn cancel(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
) -> Result<(StatusCode, Json<PublishStatus>)> {
    let request = actor.request(CourseRef { id: id.0 });
    let status = app.stubs.course.cancel_publish(request).await?;
    Ok((StatusCode::ACCEPTED, Json(status)))
}

/// What publishing now would change
#[utoipa::path(get, path = "/courses/{id}/publish/preview", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), responses((status = 200, body = Preview)))]
async fn preview(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<Json<Preview>> {
    access::require_owner(&app, actor, id.0).await?;
    let request = actor.request(PreviewRequest { course_id: id.0 });
    Ok(Json(app.stubs.content.preview_publish(request).await?))
}

/// The saved versions
#[utoipa::path(get, path = "/courses/{id}/versions", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), responses((status = 200, body = VersionList)))]
async fn versions(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<Json<VersionList>> {
    let request = actor.request(CourseRef { id: id.0 });
    Ok(Json(app.stubs.course.list_versions(request).await?))
}

/// Publish an earlier version again, as a new one
#[utoipa::path(post, path = "/courses/{id}/versions/{n}/restore", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("n" = i32, Path, description = "The version"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same publish")),
    responses((status = 202, body = PublishAccepted)))]
async fn restore(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, version)): PathOf<(i64, i32)>,
    IdempotencyKey(idempotency_key): IdempotencyKey,
) -> Result<Response> {
    let request = actor.request(RestoreRequest {
        course_id,
        version,
        idempotency_key,
    });
    let answer = app.stubs.course.restore(request).await?;
    Ok(accepted(course_id, answer))
}
