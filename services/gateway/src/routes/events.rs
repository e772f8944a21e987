//! The status of a publish as server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::course::{GetCourseRequest, PublishState, PublishStatus};

use crate::{auth::SignedIn, edge::Id, state::App};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Revisions count from 1 with each publish; the version, which rises with each, makes the ids of all of them rise.
const REVISIONS_PER_VERSION: i64 = 1_000_000;
/// What a publish waits for changes without a new revision: those events are numbered within it.
const MOMENTS_PER_REVISION: i64 = 1_000;

/// Follow the latest publish; resumes after `Last-Event-ID` and ends with the publish
#[utoipa::path(get, path = "/courses/{id}/publish/events", tag = "publishing", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The course"),
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that arrived")),
    responses(
        (status = 200, content_type = "text/event-stream", body = PublishStatus, description = "`status` events"),
        (status = 204, description = "The publish has ended and its last event has arrived")))]
pub(crate) async fn follow(
    State(app): State<App>,
    SignedIn(actor): SignedIn,
    id: Id,
    headers: HeaderMap,
) -> Result<Response> {
    let seen = headers
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let seen: i64 = seen.unwrap_or(0);
    let first = look(&app, actor, id.0).await?;
    if has_ended(&first) && event_id(&first) <= seen {
        // An event source that gets 204 does not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let stream = events(app, actor, id.0, first, seen);
    let mut response = Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    super::ask::do_not_buffer(response.headers_mut());
    Ok(response)
}

async fn look(app: &App, actor: Actor, id: i64) -> Result<PublishStatus> {
    Ok(app
        .clients
        .course
        .clone()
        .get_publish(actor.request(GetCourseRequest { id }))
        .await?
        .into_inner())
}

fn event_id(status: &PublishStatus) -> i64 {
    (i64::from(status.version) * REVISIONS_PER_VERSION + status.revision) * MOMENTS_PER_REVISION
}

/// What may change while the attempt's record stays as it is.
fn moment(status: &PublishStatus) -> (Option<i32>, Option<i64>) {
    (
        status.waiting_for,
        status.next_retry_at.as_ref().map(|at| at.seconds),
    )
}

fn has_ended(status: &PublishStatus) -> bool {
    matches!(
        status.state(),
        PublishState::Completed | PublishState::Failed | PublishState::Cancelled
    )
}

fn events(
    app: App,
    actor: Actor,
    id: i64,
    mut status: PublishStatus,
    mut seen: i64,
) -> impl Stream<Item = Result<Event, Infallible>> {
    async_stream::stream! {
        let mut shown = moment(&status);
        loop {
            let id_of_revision = event_id(&status);
            if id_of_revision > seen || moment(&status) != shown {
                seen = id_of_revision.max(seen + 1);
                shown = moment(&status);
                yield Ok(event(&status, seen));
            }
            if has_ended(&status) {
                return;
            }
            status = loop {
                if !app.life.sleep(PAUSE).await {
                    return;
                }
                let answer = tokio::select! {
                    answer = look(&app, actor, id) => answer,
                    () = app.life.stopping() => return,
                };
                match answer {
                    Ok(status) => break status,
                    // The service comes back; until then the reader waits as it would for the publish.
                    Err(error) if error.kind().is_retryable() => {}
                    Err(error) => {
                        yield Ok(problem(&error));
                        return;
                    }
                }
            };
        }
    }
}

fn event(status: &PublishStatus, id: i64) -> Event {
    match Event::default()
        .event("status")
        .id(id.to_string())
        .json_data(status)
    {
        Ok(event) => event,
        Err(error) => problem(&Error::internal("a status could not be written").because(error)),
    }
}

/// An `error` event with the problem document.
pub(crate) fn problem(error: &Error) -> Event {
    Event::default()
        .event("error")
        .data(error.to_problem().to_string())
}
