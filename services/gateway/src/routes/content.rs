//! The content of a course as a whole, and what was found to be said in its recordings.

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use smartcourse_platform::Result;
use smartcourse_proto::{
    content::LessonTranscriptRequest,
    course::{Content, GetContentRequest, PutContentRequest},
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    access,
    auth::SignedIn,
    edge::{Body, Id, IfMatch, Json, PathOf, Query, tagged},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(transcript))
}

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

/// Read what was found to be said in a recording of the published version, to correct it
#[utoipa::path(get, path = "/courses/{id}/lessons/{lid}/transcript", tag = "content", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("lid" = String, Path, description = "The lesson")),
    responses((status = 200, description = "The transcript as WebVTT", content_type = "text/vtt", body = String)))]
async fn transcript(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, lesson_id)): PathOf<(i64, String)>,
) -> Result<Response> {
    access::require_owner(&app, actor, course_id).await?;
    let request = actor.request(LessonTranscriptRequest { course_id, lesson_id });
    let transcript = app.stubs.content.get_lesson_transcript(request).await?;
    let file = [
        (header::CONTENT_TYPE, "text/vtt; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"transcript.vtt\"",
        ),
    ];
    Ok((file, transcript.webvtt).into_response())
}
