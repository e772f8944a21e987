//! Courses.

use std::{collections::HashMap, sync::Arc};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use smartcourse_platform::{Result, error::Problems, grpc::Actor};
use smartcourse_proto::course::{
    Course, CoursePage, CourseStatus, CreateCourseRequest, DeleteCourseRequest, GetCoursesRequest, Level,
    ListCoursesRequest, Seats, SetStatusRequest, UpdateCourseRequest,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{page::PageQuery, publish, seats};
use crate::{
    access,
    auth::{Caller, SignedIn},
    edge::{Body, Id, IdempotencyKey, IfMatch, Json, Query, Written, decode, parse, tagged, word},
    state::App,
};

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
    /// Only this level.
    #[param(value_type = Option<Level>)]
    level: Option<String>,
    /// Only courses of this instructor.
    instructor_id: Option<i64>,
}

/// List published courses
#[utoipa::path(get, path = "/courses", tag = "courses", params(CourseQuery, PageQuery),
    responses((status = 200, body = CoursePage)))]
async fn list(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<CourseQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<CoursePage>> {
    let must = "must be beginner, intermediate or advanced";
    let level = word::<Level>("level", query.level, must)?;
    let request = ListCoursesRequest {
        q: query.q,
        category: query.category,
        level: level.map(Into::into),
        instructor_id: query.instructor_id,
        limit: page.limit,
        cursor: page.cursor,
    };
    let mut page = app.stubs.course.list_courses(actor.request(request)).await?;
    seats::fill(&app, &mut page.items).await?;
    Ok(Json(page))
}

/// Create a course, as a draft
#[utoipa::path(post, path = "/courses", tag = "courses", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same course")),
    request_body = CreateCourseRequest, responses((status = 201, body = Course)))]
async fn create(
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
    // Nobody has prepared its seats yet.
    let entity = entity(&HashMap::new(), course);
    Ok((StatusCode::CREATED, location, entity).into_response())
}

/// Read a course
#[utoipa::path(get, path = "/courses/{id}", tag = "courses", security((), ("bearer" = [])),
    params(("id" = i64, Path, description = "The course")), responses((status = 200, body = Course)))]
async fn get(State(app): State<App>, Caller(actor): Caller, id: Id) -> Result<Response> {
    // Readers who come together share a read, so whether this one may see the course is decided after.
    let found = app.courses.read(id.0, |ids| read(&app, ids)).await?;
    let (course, json) = found.ok_or_else(|| access::hidden(id.0))?;
    access::require_visible(actor, &course)?;
    Ok(tagged(&course.etag, json))
}

/// A course with its seats and its entity tag. Whoever changes the course looks for the seats before: after the change
/// nothing is left to fail.
fn entity(seats: &HashMap<i64, Seats>, mut course: Course) -> Response {
    seats::put(seats, &mut course);
    tagged(&course.etag, Json(&course))
}

/// Courses with their seats, whoever asks, each also as it is sent; both services are asked at the same time.
async fn read(app: &App, ids: Vec<i64>) -> Result<HashMap<i64, (Arc<Course>, Written)>> {
    let request = Actor::Service.request(GetCoursesRequest { ids: ids.clone() });
    let courses = async { Ok(app.stubs.course.get_courses(request).await?) };
    let (courses, seats) = tokio::try_join!(courses, seats::of(app, ids))?;
    let written = courses.items.into_iter().map(|mut course| {
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
    params(("id" = i64, Path, description = "The course"), IfMatch),
    request_body = UpdateCourseRequest, responses((status = 200, body = Course)))]
async fn update(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IfMatch(if_match): IfMatch,
    mut body: Body,
) -> Result<Response> {
    access::require_owner(&app, actor, id.0).await?;
    let text = body.text().await?;
    let mut request: UpdateCourseRequest = parse(&text)?;
    request.id = id.0;
    request.if_match = if_match;
    request.set_prerequisites = decode::<Named>(&text)?.prerequisites.is_some();
    let mut seats = seats::of(&app, vec![id.0]).await?;
    if let (Some(seats), Some(max)) = (seats.get_mut(&id.0), request.max_enrollments) {
        seats.max = Some(max);
    }
    let course = app.stubs.course.update_course(actor.request(request)).await?;
    Ok(entity(&seats, course))
}

/// Delete a draft that was never published
#[utoipa::path(delete, path = "/courses/{id}", tag = "courses", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), IfMatch),
    responses((status = 204)))]
async fn delete(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IfMatch(if_match): IfMatch,
) -> Result<StatusCode> {
    let request = actor.request(DeleteCourseRequest { id: id.0, if_match });
    app.stubs.course.delete_course(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Archive a course, bring it back, or publish it
#[utoipa::path(put, path = "/courses/{id}/status", tag = "courses", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "Of `published`: the same key answers the same publish")),
    request_body = SetStatusRequest,
    responses((status = 200, body = Course),
        (status = 202, body = smartcourse_proto::course::PublishAccepted, description = "`published` starts a publish")))]
async fn set_status(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    key: IdempotencyKey,
    mut body: Body,
) -> Result<Response> {
    access::require_owner(&app, actor, id.0).await?;
    let mut request: SetStatusRequest = body.json().await?;
    match request.status() {
        CourseStatus::Unspecified => {
            return Err(Problems::one("status", "must be draft, published or archived"));
        }
        CourseStatus::Published => return publish::accept(&app, actor, id.0, key).await,
        CourseStatus::Draft | CourseStatus::Archived => {}
    }
    request.id = id.0;
    let seats = seats::of(&app, vec![id.0]).await?;
    let course = app.stubs.course.set_status(actor.request(request)).await?;
    Ok(entity(&seats, course))
}
