//! Search over published courses.

use std::collections::HashSet;

use axum::extract::State;
use serde::Deserialize;
use smartcourse_platform::{Result, error::Problems, grpc::Actor};
use smartcourse_proto::{
    content::{CandidatesRequest, SearchPage, SearchRequest, SearchScope},
    course::{LivePointer, LivePointersRequest},
    enrollment::AccessibleRequest,
    ids::UserId,
    limits,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::page::PageQuery;
use crate::{
    auth::Caller,
    edge::{Json, Query},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(search))
}

/// What to find, and where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// The words.
    q: String,
    /// Only in this course.
    course_id: Option<i64>,
}

/// Find courses, and lessons of the courses one may read
#[utoipa::path(get, path = "/search", tag = "search", security((), ("bearer" = [])), params(SearchQuery, PageQuery),
    responses((status = 200, body = SearchPage)))]
async fn search(
    State(app): State<App>,
    Caller(actor): Caller,
    Query(query): Query<SearchQuery>,
    Query(page): Query<PageQuery>,
) -> Result<Json<SearchPage>> {
    Problems::only_text("q", &query.q, limits::SEARCH_WORDS)?;
    let scopes = scopes(&app, actor, &query.q, query.course_id).await?;
    if scopes.is_empty() {
        return Ok(Json(SearchPage::default()));
    }
    let request = SearchRequest {
        q: query.q,
        scopes,
        limit: page.limit,
        cursor: page.cursor,
    };
    Ok(Json(app.stubs.content.search(actor.request(request)).await?))
}

/// The live versions to search, and of which the caller may see the text: the course that was asked for, or those that have
/// the words, the caller's own and those the caller reads.
async fn scopes(app: &App, actor: Actor, q: &str, course_id: Option<i64>) -> Result<Vec<SearchScope>> {
    let readable: HashSet<i64> = match actor {
        Actor::User { id, .. } => {
            let request = Actor::Service.request(AccessibleRequest { user_id: id.0 });
            let answer = app.stubs.enrollment.list_accessible(request).await?;
            answer.course_ids.into_iter().collect()
        }
        _ => HashSet::new(),
    };
    let wanted = match course_id {
        Some(course_id) => LivePointersRequest {
            course_ids: vec![course_id],
            instructor_id: None,
        },
        None => {
            let request = Actor::Service.request(CandidatesRequest {
                q: q.to_owned(),
                // To administrators every lesson is open.
                lesson_text: actor.is_privileged(),
            });
            let found = app.stubs.content.list_candidates(request).await?;
            let found = found.course_ids;
            LivePointersRequest {
                course_ids: found.into_iter().chain(readable.iter().copied()).collect(),
                instructor_id: actor.user().ok().map(|id| id.0),
            }
        }
    };
    let request = Actor::Service.request(wanted);
    let live = app.stubs.course.get_live_pointers(request).await?;
    let scope = |course: LivePointer| SearchScope {
        course_id: course.course_id,
        version: course.version,
        lesson_text: actor.owns(UserId(course.instructor_id)) || readable.contains(&course.course_id),
    };
    Ok(live.items.into_iter().map(scope).collect())
}
