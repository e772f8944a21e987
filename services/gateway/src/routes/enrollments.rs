//! Enrolling, and a student's enrollments.

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use smartcourse_platform::Result;
use smartcourse_proto::enrollment::{
    EnrollRequest, Enrollment, EnrollmentPage, EnrollmentRef, ListEnrollmentsRequest,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::PageQuery;
use crate::{
    auth::SignedIn,
    edge::{Id, IdempotencyKey, Json, Query},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(enroll))
        .routes(routes!(list))
        .routes(routes!(get, delete))
}

/// Whose enrollments, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// The student; oneself when absent. Only administrators may name another.
    student_id: Option<i64>,
}

/// Take a seat in a course; what follows shows in `onboarding`
#[utoipa::path(post, path = "/courses/{id}/enroll", tag = "enrollments", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same enrollment")),
    responses((status = 201, body = Enrollment)))]
async fn enroll(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IdempotencyKey(idempotency_key): IdempotencyKey,
) -> Result<Response> {
    let request = actor.request(EnrollRequest {
        course_id: id.0,
        user_id: 0,
        idempotency_key,
    });
    let enrollment = app.stubs.enrollment.enroll(request).await?;
    let location = format!("/enrollments/{}", enrollment.enrollment_id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(enrollment),
    )
        .into_response())
}

/// List my enrollments, or as an administrator a student's, newest first
#[utoipa::path(get, path = "/enrollments", tag = "enrollments", security(("bearer" = [])), params(ListQuery, PageQuery),
    responses((status = 200, body = EnrollmentPage)))]
async fn list(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(query): Query<ListQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<EnrollmentPage>> {
    let request = actor.request(ListEnrollmentsRequest {
        user_id: query.student_id.unwrap_or(0),
        limit: page.limit,
        cursor: page.cursor,
    });
    Ok(Json(app.stubs.enrollment.list_enrollments(request).await?))
}

/// Read one of my enrollments, with its onboarding
#[utoipa::path(get, path = "/enrollments/{id}", tag = "enrollments", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The enrollment")), responses((status = 200, body = Enrollment)))]
async fn get(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<Json<Enrollment>> {
    let request = actor.request(EnrollmentRef { enrollment_id: id.0 });
    Ok(Json(app.stubs.enrollment.get_enrollment(request).await?))
}

/// Leave the course; the seat is free at once
#[utoipa::path(delete, path = "/enrollments/{id}", tag = "enrollments", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The enrollment")), responses((status = 204)))]
async fn delete(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<StatusCode> {
    let request = actor.request(EnrollmentRef { enrollment_id: id.0 });
    app.stubs.enrollment.drop(request).await?;
    Ok(StatusCode::NO_CONTENT)
}
