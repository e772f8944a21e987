//! What the publishing workflow does to its attempt: begin, report, validate, save, undo, finish.
//!
//! Every operation locks the course, then the attempt; each may come twice and has one effect.

use smartcourse_platform::{
    Error, Result,
    error::{Problems, to_json},
    fault,
    open_writes::OpenWrite,
    outbox, postgres,
};
use smartcourse_proto::{
    Wire,
    common::VersionRef,
    course::{
        Attempt, BeginAttemptRequest, FinishAttemptRequest, PublishState, ReportStepRequest, StepState,
    },
    events::CoursePublishFailed,
};
use smartcourse_telemetry::catalogue::PUBLISHES;

use crate::{
    State, codes, model,
    ops::publish::insert_attempt,
    store::{self, AttemptRow, CourseRow},
};

fn facts(course: &CourseRow, attempt: &AttemptRow, already_published: bool) -> Attempt {
    Attempt {
        attempt_id: attempt.id.to_string(),
        course_id: course.id.0,
        version: attempt.version,
        instructor_id: course.instructor_id.0,
        already_published,
        max_enrollments: course.max_enrollments,
    }
}

/// Moves the attempt from accepted to running for one run, by compare-and-set.
pub(crate) async fn begin(state: &State, request: BeginAttemptRequest) -> Result<Attempt> {
    let Some(id) = &request.attempt_id else {
        return begin_raw(state, &request).await;
    };
    let mut tx = postgres::begin(&state.pool).await?;
    let (course, attempt) = store::lock_attempt(&mut tx, id).await?;
    if course.id.0 != request.course_id {
        // Any Temporal client can put these two together.
        return Err(Problems::one("attempt_id", "belongs to another course"));
    }
    let same_run = attempt.run_id.as_deref() == Some(request.run_id.as_str());
    match attempt.state {
        PublishState::Completed => return Ok(facts(&course, &attempt, true)),
        PublishState::Accepted | PublishState::Cancelling if attempt.run_id.is_none() => {
            sqlx::query!(
                "update course.publish_attempts set run_id = $2, started_at = coalesce(started_at, now()),
                     state = case when state = 'accepted' then 'running' else state end, revision = revision + 1
                 where id = $1",
                attempt.id,
                request.run_id
            )
            .execute(&mut *tx)
            .await?;
        }
        // The same run asks again: its first answer was lost.
        PublishState::Running | PublishState::Cancelling if same_run => {}
        other => {
            return Err(Error::new(
                &codes::ATTEMPT_CLOSED,
                format!("the attempt is {}", other.as_text()),
            ));
        }
    }
    fault::commit(tx, "course.begin_attempt").await?;
    Ok(facts(&course, &attempt, false))
}

/// A workflow started without the service makes its own attempt, under the same rules.
async fn begin_raw(state: &State, request: &BeginAttemptRequest) -> Result<Attempt> {
    let mut tx = postgres::begin(&state.pool).await?;
    let course = store::lock_course(&mut tx, request.course_id.into()).await?;
    if let Some(latest) = store::latest_attempt(&mut *tx, course.id).await? {
        if latest.run_id.as_deref() == Some(request.run_id.as_str()) {
            return Ok(facts(&course, &latest, latest.state == PublishState::Completed));
        }
        if latest.is_open() {
            return Err(Error::new(
                &codes::PUBLISH_RUNNING,
                "another publish of this course is under way",
            ));
        }
    }
    if course.archived {
        return Err(Error::new(&codes::COURSE_ARCHIVED, "the course is archived"));
    }
    let attempt = insert_attempt(
        &mut tx,
        &course,
        &course.draft_key,
        &request.workflow_id,
        Some(&request.run_id),
    )
    .await?;
    tx.commit().await?;
    Ok(facts(&course, &attempt, false))
}

/// Records where a step stands. Steps below the reported one are done; a report after the end is ignored.
pub(crate) async fn report(state: &State, request: ReportStepRequest) -> Result<()> {
    let id = store::attempt_id(&request.attempt_id)?;
    let step_state = request.state();
    let (code, message) = request.error.map(|error| (error.code, error.message)).unzip();
    // One statement, so one commit: the lanes of a publish report side by side and would queue for the attempt's row.
    sqlx::query!(
        "with open as (
             update course.publish_attempts set step = greatest(step, $2), revision = revision + 1
             where id = $1 and state in ('running', 'cancelling') returning id),
         before as (
             update course.publish_steps set state = 'completed', finished_at = coalesce(finished_at, now()),
                 error_code = null, error_message = null, done = total
             where attempt_id in (select id from open) and step < $2 and state <> 'completed')
         insert into course.publish_steps as known
             (attempt_id, step, state, tries, done, total, error_code, error_message)
         select id, $2, $3, $4, $5, $6, $7, $8 from open
         on conflict (attempt_id, step) do update set state = excluded.state,
             tries = greatest(known.tries, excluded.tries), done = greatest(known.done, excluded.done),
             total = greatest(known.total, excluded.total), error_code = excluded.error_code,
             error_message = excluded.error_message, reported_at = now()",
        id,
        request.step,
        step_state.as_text(),
        request.attempt.max(1),
        request.done,
        request.total,
        code,
        message
    )
    .execute(&state.pool)
    .await?;
    Ok(())
}

/// Step 1: the pinned revision has what a publish needs.
pub(crate) async fn validate(state: &State, request: VersionRef) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    let (course, attempt) = store::lock_attempt(&mut tx, &request.attempt_id).await?;
    attempt.require_running()?;
    if course.archived {
        return Err(Error::new(&codes::COURSE_ARCHIVED, "the course was archived"));
    }
    model::publishable(&state.content(&attempt.draft_key).await?)
}

/// Step 2: the immutable content of the version. The document is written under the attempt's lock, so an abort either
/// sees it or comes first; what the engine finishes after the lock is gone, the sweep removes.
pub(crate) async fn save_content(state: &State, request: VersionRef) -> Result<()> {
    let open = OpenWrite::open(&state.pool, &store::scope(request.course_id.into())).await?;
    let mut tx = postgres::begin(&state.pool).await?;
    let (course, attempt) = store::lock_attempt(&mut tx, &request.attempt_id).await?;
    attempt.require_running()?;
    let mut content = state.content(&attempt.draft_key).await?;
    content.course_id = course.id.0;
    content.version = attempt.version;
    let key = store::version_key(attempt.version());
    state
        .documents
        .put(store::CONTENT, &key, &to_json(&content)?)
        .await?;
    sqlx::query!(
        "insert into course.versions (course_id, version, attempt_id, document_key, state) values ($1, $2, $3, $4, 'saved')
         on conflict (course_id, version) do nothing",
        course.id.0,
        attempt.version,
        attempt.id,
        key
    )
    .execute(&mut *tx)
    .await?;
    open.close(&mut tx).await?;
    fault::commit(tx, "course.save_content").await?;
    Ok(())
}

/// Compensation of step 2. The tombstone stays.
pub(crate) async fn delete_version(state: &State, request: VersionRef) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    let (_, attempt) = store::lock_attempt(&mut tx, &request.attempt_id).await?;
    if !attempt.aborted {
        return Err(Error::internal("a version is deleted only after it was aborted"));
    }
    state
        .documents
        .delete(store::CONTENT, &store::version_key(attempt.version()))
        .await?;
    fault::commit(tx, "course.delete_version").await?;
    Ok(())
}

/// Records how the attempt ended; the course may be published again from here on.
pub(crate) async fn finish(state: &State, request: FinishAttemptRequest) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    let (course, attempt) = store::lock_attempt(&mut tx, &request.attempt_id).await?;
    if !attempt.is_open() {
        return Ok(());
    }
    // An attempt a user asked to cancel ends cancelled, whatever failed meanwhile.
    let cancelled = request.state() == PublishState::Cancelled || attempt.state == PublishState::Cancelling;
    let (end, step_state) = if cancelled {
        (PublishState::Cancelled, StepState::Cancelled)
    } else {
        (PublishState::Failed, StepState::Failed)
    };
    let (code, message) = match (cancelled, request.error) {
        (true, _) => (
            "publish_cancelled".to_owned(),
            "The publish was cancelled.".to_owned(),
        ),
        (false, Some(error)) => (error.code, error.message),
        (false, None) => ("internal".to_owned(), String::new()),
    };
    sqlx::query!(
        "update course.publish_attempts set state = $2, error_code = $3, error_message = $4, finished_at = now(),
             revision = revision + 1 where id = $1",
        attempt.id,
        end.as_text(),
        code,
        message
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update course.publish_steps set state = $2, finished_at = coalesce(finished_at, now()), error_code = $3, error_message = $4
         where attempt_id = $1 and state <> 'completed'",
        attempt.id,
        step_state.as_text(),
        code,
        message
    )
    .execute(&mut *tx)
    .await?;
    if !cancelled {
        let event = CoursePublishFailed {
            course_id: course.id.0,
            version: attempt.version,
            instructor_id: course.instructor_id.0,
            code,
        };
        outbox::put_event(&mut tx, "course.publish_failed", &course.key(), &event).await?;
    }
    fault::commit(tx, "course.finish_attempt").await?;
    PUBLISHES.add(1, [if cancelled { "cancelled" } else { "failed" }]);
    Ok(())
}
