//! Drafts made of a published version: asked for, followed, cancelled, and taken into the course.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use smartcourse_platform::{Result, concurrency::Place, grpc::Actor};
use smartcourse_proto::{
    assistant::{GenerateRequest, Generation, GenerationAccepted, GenerationRef, TakeDraftRequest},
    course::Lesson,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sse::{self, Moment, Seen, problem};
use crate::{
    access,
    auth::SignedIn,
    edge::{Body, Id, IdempotencyKey, IfMatch, Json, PathOf},
    state::App,
};

/// How often a stream looks where its draft stands.
const LOOK: Duration = Duration::from_millis(500);
const KEEP_ALIVE: Duration = Duration::from_secs(10);

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(generate))
        .routes(routes!(generation, cancel_generation))
        .routes(routes!(follow_generation))
        .routes(routes!(accept_draft))
}

/// Make a draft of the published version: a summary, objectives, a quiz or a glossary
#[utoipa::path(post, path = "/courses/{id}/generate", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key answers the same generation")),
    request_body = GenerateRequest, responses((status = 202, body = GenerationAccepted)))]
async fn generate(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    IdempotencyKey(idempotency_key): IdempotencyKey,
    mut body: Body,
) -> Result<Response> {
    access::require_owner(&app, actor, id.0).await?;
    let mut request: GenerateRequest = body.json().await?;
    request.course_id = id.0;
    request.idempotency_key = idempotency_key;
    let accepted = app.stubs.assistant.generate(actor.request(request)).await?;
    let place = [(header::LOCATION, accepted.status_url.clone())];
    Ok((StatusCode::ACCEPTED, place, Json(accepted)).into_response())
}

/// Where a draft stands, and the draft once it is made
#[utoipa::path(get, path = "/courses/{id}/generate/{gid}", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("gid" = String, Path, description = "The generation")),
    responses((status = 200, body = Generation)))]
async fn generation(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, generation_id)): PathOf<(i64, String)>,
) -> Result<Json<Generation>> {
    access::require_owner(&app, actor, course_id).await?;
    Ok(Json(stands(&app, actor, course_id, &generation_id).await?))
}

async fn stands(app: &App, actor: Actor, course_id: i64, generation_id: &str) -> Result<Generation> {
    let request = actor.request(GenerationRef {
        course_id,
        generation_id: generation_id.to_owned(),
    });
    Ok(app.stubs.assistant.get_generation(request).await?)
}

/// Cancel a draft that is made
#[utoipa::path(delete, path = "/courses/{id}/generate/{gid}", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("gid" = String, Path, description = "The generation")),
    responses((status = 202, body = Generation)))]
async fn cancel_generation(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, generation_id)): PathOf<(i64, String)>,
) -> Result<(StatusCode, Json<Generation>)> {
    access::require_owner(&app, actor, course_id).await?;
    let request = actor.request(GenerationRef {
        course_id,
        generation_id,
    });
    let generation = app.stubs.assistant.cancel_generation(request).await?;
    Ok((StatusCode::ACCEPTED, Json(generation)))
}

/// Add a draft to the course as a lesson, as it is or changed; a second time it is that lesson
#[utoipa::path(post, path = "/courses/{id}/generate/{gid}/accept", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("gid" = String, Path, description = "The generation"), IfMatch),
    request_body = TakeDraftRequest, responses((status = 201, body = Lesson)))]
async fn accept_draft(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, generation_id)): PathOf<(i64, String)>,
    IfMatch(if_match): IfMatch,
    mut body: Body,
) -> Result<(StatusCode, Json<Lesson>)> {
    access::require_owner(&app, actor, course_id).await?;
    let mut request: TakeDraftRequest = body.json().await?;
    request.course_id = course_id;
    request.generation_id = generation_id;
    request.if_match = if_match;
    let lesson = app.stubs.assistant.take_draft(actor.request(request)).await?;
    Ok((StatusCode::CREATED, Json(lesson)))
}

/// Follow a draft that is made; resumes after `Last-Event-ID` and ends with it
#[utoipa::path(get, path = "/courses/{id}/generate/{gid}/events", tag = "assistant", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"), ("gid" = String, Path, description = "The generation"),
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that arrived")),
    responses(
        (status = 200, content_type = "text/event-stream", body = Generation, description = "`status` events"),
        (status = 204, description = "It has ended and its last event has arrived")))]
async fn follow_generation(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    PathOf((course_id, generation_id)): PathOf<(i64, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    access::require_owner(&app, actor, course_id).await?;
    let first = stands(&app, actor, course_id, &generation_id).await?;
    let seen = Seen::of(&headers, first.revision);
    if first.state().has_ended() && seen.has(first.revision) {
        // An event source that gets 204 does not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = app.feeds.place(actor.user()?.0)?;
    let stream = events(app, actor, place, first, seen);
    Ok(sse::stream(stream, KeepAlive::new().interval(KEEP_ALIVE)))
}

fn moment(generation: &Generation) -> Moment {
    (
        generation.waiting_for,
        generation.next_retry_at.as_ref().map(|at| at.seconds),
        generation.error.as_ref().map(|error| error.code.clone()),
    )
}

/// Where it stands at each change. Whether the reader still may is looked at with each look.
fn events(
    app: App,
    actor: Actor,
    place: Place<i64>,
    mut generation: Generation,
    mut seen: Seen,
) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let _place = place;
        loop {
            if let Some(event) = seen.tell(generation.revision, moment(&generation), &generation) {
                yield Ok(event);
            }
            if generation.state().has_ended() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = app.life.stopping() => return,
            }
            let latest = async {
                access::require_owner(&app, actor, generation.course_id).await?;
                stands(&app, actor, generation.course_id, &generation.generation_id).await
            };
            match latest.await {
                Ok(latest) => generation = latest,
                // Who is away for a moment comes back.
                Err(error) if error.kind().is_retryable() => {}
                Err(error) => {
                    yield Ok(problem(&error));
                    return;
                }
            }
        }
    }
}
