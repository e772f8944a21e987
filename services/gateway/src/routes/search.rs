//! Search over published courses.

use std::collections::HashSet;

use axum::extract::State;
use serde::Deserialize;
use smartcourse_platform::{Result, error::Problems, grpc::Actor};
use smartcourse_proto::{
    content::{SearchPage, SearchRequest, SearchScope},
    course::LivePointersRequest,
    enrollment::AccessibleRequest,
    ids::UserId,
};
use utoipa::IntoParams;

use crate::{
    auth::Caller,
    edge::{Json, Query},
    state::App,
};

/// What to find, and where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// The words.
    #[serde(default)]
    q: String,
    /// Only in this course.
    course_id: Option<i64>,
    /// Items at most, 1 to 100; 20 when absent.
    #[serde(default)]
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: i32,
    /// `next_cursor` of the page before.
    #[serde(default)]
    cursor: String,
}

/// Find courses, and lessons of the courses one may read
#[utoipa::path(get, path = "/search", tag = "search", security((), ("bearer" = [])), params(SearchQuery),
    responses((status = 200, body = SearchPage)))]
pub(crate) async fn search(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<SearchQuery>,
) -> Result<Json<SearchPage>> {
    let mut problems = Problems::default();
    problems.text("q", &query.q, 500);
    problems.finish()?;
    let scopes = scopes(&app, actor, query.course_id).await?;
    if scopes.is_empty() {
        return Ok(Json(SearchPage::default()));
    }
    let request = SearchRequest {
        q: query.q,
        scopes,
        limit: query.limit,
        cursor: query.cursor,
    };
    Ok(Json(
        app.clients
            .content
            .clone()
            .search(actor.request(request))
            .await?
            .into_inner(),
    ))
}

/// The live versions, and of which the caller may see the text.
async fn scopes(app: &App, actor: Actor, course_id: Option<i64>) -> Result<Vec<SearchScope>> {
    let request = Actor::Service.request(LivePointersRequest {
        course_ids: course_id.into_iter().collect(),
    });
    let live = app
        .clients
        .course
        .clone()
        .get_live_pointers(request)
        .await?
        .into_inner()
        .items;
    let readable: HashSet<i64> = match actor {
        Actor::User { id, .. } if !live.is_empty() => {
            let request = Actor::Service.request(AccessibleRequest { user_id: id.0 });
            let answer = app
                .clients
                .enrollment
                .clone()
                .list_accessible(request)
                .await?
                .into_inner();
            answer.course_ids.into_iter().collect()
        }
        _ => HashSet::new(),
    };
    let scope = |course_id, version, lesson_text| SearchScope {
        course_id,
        version,
        lesson_text,
    };
    Ok(live
        .into_iter()
        .map(|course| {
            let lesson_text =
                actor.owns(UserId(course.instructor_id)) || readable.contains(&course.course_id);
            scope(course.course_id, course.version, lesson_text)
        })
        .collect())
}
