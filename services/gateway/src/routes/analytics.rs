//! Numbers for administrators, instructors, students, and for everybody who looks for a course.

use axum::extract::State;
use serde::Deserialize;
use smartcourse_platform::{Result, error::Problems};
use smartcourse_proto::analytics::{
    Bucket, CourseNumbers, InstructorNumbers, PlatformNumbers, Popular, PopularRequest, StudentNumbers,
    SubjectRequest, Trends, TrendsRequest,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    auth::{Caller, SignedIn},
    edge::{Id, Json, Query, word},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(platform))
        .routes(routes!(course))
        .routes(routes!(popular))
        .routes(routes!(instructor))
        .routes(routes!(student))
        .routes(routes!(trends))
}

/// The range of a trend.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// First day, in UTC; 29 days before `to` when absent, and no more than 1096.
    #[param(example = "2026-11-01")]
    from: Option<String>,
    /// Last day, in UTC; today when absent.
    #[param(example = "2026-11-30")]
    to: Option<String>,
    /// How long a step is; `day` when absent.
    #[param(value_type = Option<Bucket>)]
    bucket: Option<String>,
}

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Limit {
    /// Items at most; none or 0 stands for the default.
    #[serde(default)]
    limit: i32,
}

/// The whole platform, for administrators
#[utoipa::path(get, path = "/analytics/platform", tag = "analytics", security(("bearer" = [])),
    responses((status = 200, body = PlatformNumbers)))]
async fn platform(State(app): State<App>, SignedIn(actor): SignedIn) -> Result<Json<PlatformNumbers>> {
    Ok(Json(app.stubs.analytics.get_platform(actor.request(())).await?))
}

/// One course, for its instructor
#[utoipa::path(get, path = "/analytics/courses/{id}", tag = "analytics", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), responses((status = 200, body = CourseNumbers)))]
async fn course(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<Json<CourseNumbers>> {
    let request = actor.request(SubjectRequest { id: id.0 });
    Ok(Json(app.stubs.analytics.get_course(request).await?))
}

/// The courses most students enrolled in
#[utoipa::path(get, path = "/analytics/popular", tag = "analytics", params(Limit),
    responses((status = 200, body = Popular)))]
async fn popular(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<Limit>,
) -> Result<Json<Popular>> {
    let request = actor.request(PopularRequest { limit: query.limit });
    Ok(Json(app.stubs.analytics.get_popular(request).await?))
}

/// All courses of an instructor together
#[utoipa::path(get, path = "/analytics/instructors/{id}", tag = "analytics", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The instructor")),
    responses((status = 200, body = InstructorNumbers)))]
async fn instructor(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
) -> Result<Json<InstructorNumbers>> {
    let request = actor.request(SubjectRequest { id: id.0 });
    Ok(Json(app.stubs.analytics.get_instructor(request).await?))
}

/// One student
#[utoipa::path(get, path = "/analytics/students/{id}", tag = "analytics", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The student")), responses((status = 200, body = StudentNumbers)))]
async fn student(State(app): State<App>, SignedIn(actor): SignedIn, id: Id) -> Result<Json<StudentNumbers>> {
    let request = actor.request(SubjectRequest { id: id.0 });
    Ok(Json(app.stubs.analytics.get_student(request).await?))
}

/// A day that is named; the service takes an empty one for none.
fn day(name: &str, day: Option<String>) -> Result<String> {
    match day {
        Some(day) if day.is_empty() => Err(Problems::one(name, "must not be empty")),
        day => Ok(day.unwrap_or_default()),
    }
}

/// What happened per day, week or month, for administrators
#[utoipa::path(get, path = "/analytics/trends", tag = "analytics", security(("bearer" = [])), params(Range),
    responses((status = 200, body = Trends)))]
async fn trends(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    Query(range): Query<Range>,
) -> Result<Json<Trends>> {
    let bucket = word("bucket", range.bucket, "must be day, week or month")?;
    let request = actor.request(TrendsRequest {
        from: day("from", range.from)?,
        to: day("to", range.to)?,
        bucket: bucket.unwrap_or(Bucket::Day).into(),
    });
    Ok(Json(app.stubs.analytics.get_trends(request).await?))
}
