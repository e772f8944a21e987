//! Single modules and lessons of a draft.

use axum::{extract::State, http::StatusCode};
use smartcourse_platform::Result;
use smartcourse_proto::course::{
    AddLessonRequest, AddModuleRequest, DeletePartRequest, Lesson, Module, UpdateLessonRequest,
    UpdateModuleRequest,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    edge::{Body, Id, IdempotencyKey, IfMatch, Json, PathOf},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(add_module))
        .routes(routes!(update_module, delete_module))
}

pub(crate) fn large() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(add_lesson))
        .routes(routes!(update_lesson, delete_lesson))
}

/// Add a module
#[utoipa::path(post, path = "/courses/{id}/modules", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), IfMatch,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same module")),
    request_body = AddModuleRequest, responses((status = 201, body = Module)))]
async fn add_module(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IfMatch(if_match): IfMatch,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    mut body: Body,
) -> Result<(StatusCode, Json<Module>)> {
    access::require_owner(&app, actor, id.0).await?;
    let mut request: AddModuleRequest = body.json().await?;
    request.course_id = id.0;
    request.if_match = if_match;
    request.idempotency_key = idempotency_key;
    let module = app.stubs.course.add_module(actor.request(request)).await?;
    Ok((StatusCode::CREATED, Json(module)))
}

/// Change a module
#[utoipa::path(patch, path = "/courses/{id}/modules/{mid}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("mid" = String, Path, description = "The module"), IfMatch),
    request_body = UpdateModuleRequest, responses((status = 200, body = Module)))]
async fn update_module(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, module_id)): PathOf<(i64, String)>,
    IfMatch(if_match): IfMatch,
    mut body: Body,
) -> Result<Json<Module>> {
    access::require_owner(&app, actor, course_id).await?;
    let mut request: UpdateModuleRequest = body.json().await?;
    request.course_id = course_id;
    request.module_id = module_id;
    request.if_match = if_match;
    let request = actor.request(request);
    Ok(Json(app.stubs.course.update_module(request).await?))
}

/// Delete a module with its lessons
#[utoipa::path(delete, path = "/courses/{id}/modules/{mid}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("mid" = String, Path, description = "The module"), IfMatch),
    responses((status = 204)))]
async fn delete_module(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, part_id)): PathOf<(i64, String)>,
    IfMatch(if_match): IfMatch,
) -> Result<StatusCode> {
    let request = DeletePartRequest {
        course_id,
        part_id,
        if_match,
    };
    app.stubs.course.delete_module(actor.request(request)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Add a lesson
#[utoipa::path(post, path = "/courses/{id}/modules/{mid}/lessons", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("mid" = String, Path, description = "The module"), IfMatch,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same lesson")),
    request_body = AddLessonRequest, responses((status = 201, body = Lesson)))]
async fn add_lesson(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, module_id)): PathOf<(i64, String)>,
    IfMatch(if_match): IfMatch,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    mut body: Body,
) -> Result<(StatusCode, Json<Lesson>)> {
    access::require_owner(&app, actor, course_id).await?;
    let mut request: AddLessonRequest = body.json().await?;
    request.course_id = course_id;
    request.module_id = module_id;
    request.if_match = if_match;
    request.idempotency_key = idempotency_key;
    let lesson = app.stubs.course.add_lesson(actor.request(request)).await?;
    Ok((StatusCode::CREATED, Json(lesson)))
}

/// Change a lesson
#[utoipa::path(patch, path = "/courses/{id}/lessons/{lid}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("lid" = String, Path, description = "The lesson"), IfMatch),
    request_body = UpdateLessonRequest, responses((status = 200, body = Lesson)))]
async fn update_lesson(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, lesson_id)): PathOf<(i64, String)>,
    IfMatch(if_match): IfMatch,
    mut body: Body,
) -> Result<Json<Lesson>> {
    access::require_owner(&app, actor, course_id).await?;
    let mut request: UpdateLessonRequest = body.json().await?;
    request.course_id = course_id;
    request.lesson_id = lesson_id;
    request.if_match = if_match;
    let request = actor.request(request);
    Ok(Json(app.stubs.course.update_lesson(request).await?))
}

/// Delete a lesson
#[utoipa::path(delete, path = "/courses/{id}/lessons/{lid}", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("lid" = String, Path, description = "The lesson"), IfMatch),
    responses((status = 204)))]
async fn delete_lesson(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, part_id)): PathOf<(i64, String)>,
    IfMatch(if_match): IfMatch,
) -> Result<StatusCode> {
    let request = DeletePartRequest {
        course_id,
        part_id,
        if_match,
    };
    app.stubs.course.delete_lesson(actor.request(request)).await?;
    Ok(StatusCode::NO_CONTENT)
}
