//! The status of a publish as server-sent events.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use smartcourse_platform::{Result, concurrency::Place};
use smartcourse_proto::course::{CourseRef, PublishStatus};
use tokio::time::Instant;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::sse::{self, Moment, Seen, problem};
use crate::{
    access,
    auth::SignedIn,
    edge::{Id, bearer},
    state::App,
};

pub(crate) fn quick() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(follow))
}

const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How often it is looked at whether the reader still may.
const VERIFY: Duration = Duration::from_secs(30);
/// Revisions count from 1 with each publish; the version, which rises with each, makes the ids of all of them rise.
const REVISIONS_PER_VERSION: i64 = 1_000_000;

/// Follow the latest publish; resumes after `Last-Event-ID` and ends with the publish
///
/// It ends as well with an `error` event when the access token does not count any more, or the course has another owner.
#[utoipa::path(get, path = "/courses/{id}/publish/events", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that arrived")),
    responses(
        (status = 200, content_type = "text/event-stream", body = PublishStatus, description = "`status` events"),
        (status = 204, description = "The publish has ended and its last event has arrived")))]
async fn follow(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    headers: HeaderMap,
) -> Result<Response> {
    let request = actor.request(CourseRef { id: id.0 });
    let first = app.stubs.course.get_publish(request).await?;
    let first = Arc::new(first);
    let seen = Seen::of(&headers, revision(&first));
    if first.state().has_ended() && seen.has(revision(&first)) {
        // An event source that gets 204 does not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let place = app.feeds.place(actor.user()?.0)?;
    let reader = Reader {
        token: headers
            .get(header::AUTHORIZATION)
            .map(bearer)
            .transpose()?
            .unwrap_or_default(),
        course_id: id.0,
    };
    let stream = events(app, reader, place, first, seen);
    Ok(sse::stream(stream, KeepAlive::new().interval(KEEP_ALIVE)))
}

/// Of all publishes of the course.
fn revision(status: &PublishStatus) -> i64 {
    i64::from(status.version) * REVISIONS_PER_VERSION + status.revision
}

fn moment(status: &PublishStatus) -> Moment {
    (
        status.waiting_for,
        status.next_retry_at.as_ref().map(|at| at.seconds),
        status.error.as_ref().map(|error| error.code.clone()),
    )
}

/// Who reads a stream, and what.
struct Reader {
    token: String,
    course_id: i64,
}

impl Reader {
    /// Whether the reader still may: the token counts, and the course is still theirs.
    async fn verify(&self, app: &App) -> Result<()> {
        let actor = app.verifier.verify(&self.token).await?;
        access::require_owner(app, actor, self.course_id).await
    }
}

fn events(
    app: App,
    reader: Reader,
    place: Place<i64>,
    mut status: Arc<PublishStatus>,
    mut seen: Seen,
) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let _place = place;
        let mut feed = app.feeds.follow(reader.course_id);
        let mut verify = tokio::time::interval_at(Instant::now() + VERIFY, VERIFY);
        loop {
            if let Some(event) = seen.tell(revision(&status), moment(&status), &*status) {
                yield Ok(event);
            }
            if status.state().has_ended() {
                return;
            }
            status = loop {
                tokio::select! {
                    Ok(()) = feed.changed() => {}
                    _ = verify.tick() => match reader.verify(&app).await {
                        Err(error) if !error.kind().is_retryable() => {
                            yield Ok(problem(&error));
                            return;
                        }
                        _ => continue,
                    },
                    () = app.life.stopping() => return,
                }
                let latest = feed.borrow_and_update().clone();
                match latest {
                    // What was read before this stream began may be older than its first event.
                    Some(Ok(latest)) if revision(&latest) >= revision(&status) => break latest,
                    Some(Err(error)) => {
                        yield Ok(problem(&error));
                        return;
                    }
                    _ => {}
                }
            };
        }
    }
}
