//! The content of a course as a whole.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use smartcourse_platform::Result;
use smartcourse_proto::course::{Content, GetContentRequest, PutContentRequest};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    edge::{Body, Id, IfMatch, Json, Query, tagged},
    state::App,
};

pub(crate) fn large() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get, put))
}

/// Which version.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VersionQuery {
    /// A saved version. Absent: the draft for the owner, the published version for learners.
    version: Option<i32>,
}

/// Read modules and lessons: the draft for the owner, the published version for learners
#[utoipa::path(get, path = "/courses/{id}/content", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), VersionQuery), responses((status = 200, body = Content)))]
async fn get(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    Query(query): Query<VersionQuery>,
) -> Result<Response> {
    access::require_reader(&app, actor, id.0).await?;
    let request = GetContentRequest {
        course_id: id.0,
        version: query.version,
    };
    let content = app.stubs.course.get_content(actor.request(request)).await?;
    Ok(tagged(&content.etag, Json(&content)))
}

/// Replace the draft's modules and lessons
#[utoipa::path(put, path = "/courses/{id}/content", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), IfMatch),
    request_body = PutContentRequest, responses((status = 200, body = Content)))]
async fn put(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IfMatch(if_match): IfMatch,
    mut body: Body,
) -> Result<Response> {
    access::require_owner(&app, actor, id.0).await?;
    let mut request: PutContentRequest = body.json().await?;
    request.course_id = id.0;
    request.if_match = if_match;
    let content = app.stubs.course.put_content(actor.request(request)).await?;
    Ok(tagged(&content.etag, Json(&content)))
}
