//! Courses.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use smartcourse_platform::{Result, error::Problems, grpc::Actor};
use smartcourse_proto::{
    Wire as _,
    course::{
        Course, CoursePage, CourseStatus, CreateCourseRequest, DeleteCourseRequest, GetCoursesRequest, Level,
        ListCoursesRequest, SetStatusRequest, UpdateCourseRequest,
    },
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{publish, seats};
use crate::{
    access,
    auth::{Caller, SignedIn},
    edge::{Body, Entity, Id, IdempotencyKey, IfMatch, Json, Query, Written, parse, tagged},
    state::App,
};

/// Routes whose answer comes at once.
pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(get, update, delete))
        .routes(routes!(set_status))
}

/// Filters of the list of courses.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CourseQuery {
    /// Words to find in title and description.
    #[serde(default)]
    q: String,
    /// Only this category.
    category: Option<String>,
    /// `beginner`, `intermediate` or `advanced`.
    level: Option<String>,
    /// Only courses of this instructor.
    instructor_id: Option<i64>,
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: String,
}

/// List published courses
#[utoipa::path(get, path = "/courses", tag = "courses", params(CourseQuery),
    responses((status = 200, body = CoursePage)))]
pub(crate) async fn list(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<CourseQuery>,
) -> Result<Json<CoursePage>> {
    let level = query
        .level
        .as_deref()
        .map(|text| Level::from_text(text).filter(|level| *level != Level::Unspecified));
    let mut problems = Problems::default();
    problems.require(
        level != Some(None),
        "level",
        "must be beginner, intermediate or advanced",
    );
    problems.finish()?;
    let request = ListCoursesRequest {
        q: query.q,
        category: query.category,
        level: level.flatten().map(Into::into),
        instructor_id: query.instructor_id,
        limit: query.limit,
        cursor: query.cursor,
    };
    let mut page = app.stubs.course.list_courses(actor.request(request)).await?;
    seats::fill(&app, &mut page.items).await?;
    Ok(Json(page))
}

/// Create a course, as a draft
#[utoipa::path(post, path = "/courses", tag = "courses", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same course")),
    request_body = CreateCourseRequest, responses((status = 201, body = Course)))]
pub(crate) async fn create(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    IdempotencyKey(key): IdempotencyKey,
    mut body: Body,
) -> Result<Response> {
    actor.require_instructor()?;
    let mut request: CreateCourseRequest = body.json().await?;
    request.idempotency_key = key;
    let course = app.stubs.course.create_course(actor.request(request)).await?;
    let location = [(header::LOCATION, format!("/courses/{}", course.id))];
    let course = seats::filled(&app, course).await?;
    Ok((
        StatusCode::CREATED,
        location,
        Entity::new(&course.etag.clone(), course),
    )
        .into_response())
}

/// Read a course
#[utoipa::path(get, path = "/courses/{id}", tag = "courses", security((), ("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), responses((status = 200, body = Course)))]
pub(crate) async fn get(State(app): State<App>, Caller(actor): Caller, id: Id) -> Result<Response> {
    // Readers who come together share a read, so whether this one may see the course is decided after.
    let found = app.courses.read(id.0, |ids| read(&app, ids)).await?;
    let (course, json) = found.ok_or_else(|| access::hidden(id.0))?;
    access::require_visible(actor, &course)?;
    Ok(tagged(&course.etag, json))
}

/// Courses with their seats, whoever asks, each also as it is sent; both services are asked at the same time.
async fn read(app: &App, ids: Vec<i64>) -> Result<HashMap<i64, (Arc<Course>, Written)>> {
    let courses = async {
        let request = Actor::Service.request(GetCoursesRequest { ids: ids.clone() });
        let courses = app.stubs.course.get_courses(request).await?;
        Ok(courses.items)
    };
    let (courses, seats) = tokio::try_join!(courses, seats::of(app, ids.clone()))?;
    let written = courses.into_iter().map(|mut course| {
        seats::put(&seats, &mut course);
        let json = Written::new(&course)?;
        Ok((course.id, (Arc::new(course), json)))
    });
    written.collect()
}

/// Whether the body names the list: an empty one and none at all are different wishes.
#[derive(Deserialize)]
struct Named {
    prerequisites: Option<serde::de::IgnoredAny>,
}

/// Change a course; what is absent stays
#[utoipa::path(patch, path = "/courses/{id}", tag = "courses", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("If-Match" = Option<String>, Header, description = "The entity tag the edit is based on")),
    request_body = UpdateCourseRequest, responses((status = 200, body = Course)))]
pub(crate) async fn update(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IfMatch(if_match): IfMatch,
    mut body: Body,
) -> Result<Entity<Course>> {
    access::require_owner(&app, actor, id.0).await?;
    let text = body.text().await?;
    let mut request: UpdateCourseRequest = parse(&text)?;
    request.id = id.0;
    request.if_match = if_match;
    request.set_prerequisites = parse::<Named>(&text)?.prerequisites.is_some();
    let course = app.stubs.course.update_course(actor.request(request)).await?;
    let course = seats::filled(&app, course).await?;
    Ok(Entity::new(&course.etag.clone(), course))
}

/// Delete a draft that was never published
#[utoipa::path(delete, path = "/courses/{id}", tag = "courses", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("If-Match" = Option<String>, Header, description = "The entity tag the edit is based on")),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IfMatch(if_match): IfMatch,
) -> Result<StatusCode> {
    app.stubs
        .course
        .delete_course(actor.request(DeleteCourseRequest { id: id.0, if_match }))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Archive a course, bring it back, or publish it
#[utoipa::path(put, path = "/courses/{id}/status", tag = "courses", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), request_body = SetStatusRequest,
    responses((status = 200, body = Course),
        (status = 202, body = smartcourse_proto::course::PublishAccepted, description = "`published` starts a publish")))]
pub(crate) async fn set_status(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    mut body: Body,
) -> Result<Response> {
    access::require_owner(&app, actor, id.0).await?;
    let mut request: SetStatusRequest = body.json().await?;
    let mut problems = Problems::default();
    problems.require(
        request.status() != CourseStatus::Unspecified,
        "status",
        "must be draft, published or archived",
    );
    problems.finish()?;
    if request.status() == CourseStatus::Published {
        return publish::accept(&app, actor, id.0).await;
    }
    request.id = id.0;
    let course = app.stubs.course.set_status(actor.request(request)).await?;
    let course = seats::filled(&app, course).await?;
    Ok(Entity::new(&course.etag.clone(), course).into_response())
}
