//! The decision. `mark_published` and `abort_version` lock the same rows; the first wins and the other is told so.

use smartcourse_platform::{Error, Result, error::to_json, fault, outbox, postgres};
use smartcourse_proto::{
    common::VersionRef,
    course::{AbortReply, MarkPublishedRequest, PublishState},
    events::CoursePublished,
};
use smartcourse_telemetry::catalogue::{PUBLISH_STEP_SECONDS, PUBLISHES};

use crate::{State, codes, ops::catalogue, store};

/// Step 7: flips the pointer, closes the attempt and announces the version, in one transaction.
pub(crate) async fn mark_published(state: &State, request: MarkPublishedRequest) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    let (course, attempt) = store::lock_attempt(&mut tx, &request.attempt_id).await?;
    if attempt.state == PublishState::Completed {
        // The first time may have ended before it was told.
        catalogue::changed(state).await;
        return Ok(());
    }
    attempt.require_running()?;
    if course.archived {
        return Err(Error::new(
            &codes::COURSE_ARCHIVED,
            "the course was archived while it was being published",
        ));
    }
    if course
        .published_version
        .is_some_and(|live| live >= attempt.version)
    {
        return Err(Error::new(&codes::ATTEMPT_CLOSED, "a newer version is published"));
    }
    sqlx::query!(
        "update course.courses set published_version = $2, ai_ready = $3, revision = revision + 1, updated_at = now() where id = $1",
        course.id.0,
        attempt.version,
        request.ai_ready
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update course.versions set state = 'published', published_at = now() where course_id = $1 and version = $2",
        course.id.0,
        attempt.version
    )
    .execute(&mut *tx)
    .await?;
    let warnings = to_json(&request.warnings)?;
    sqlx::query!(
        "update course.publish_attempts set state = 'completed', warnings = $2, step = 7, finished_at = now(),
             revision = revision + 1 where id = $1",
        attempt.id,
        warnings
    )
    .execute(&mut *tx)
    .await?;
    let steps = sqlx::query!(
        r#"update course.publish_steps set state = 'completed', finished_at = coalesce(finished_at, now()), done = total,
             error_code = null, error_message = null where attempt_id = $1
           returning step, extract(epoch from finished_at - started_at)::float8 as "seconds!""#,
        attempt.id
    )
    .fetch_all(&mut *tx)
    .await?;
    let key = course.key();
    let event = CoursePublished {
        course_id: course.id.0,
        version: attempt.version,
        instructor_id: course.instructor_id.0,
        title: course.title,
        ai_ready: request.ai_ready,
    };
    outbox::put_event(&mut tx, "course.published", &key, &event).await?;
    fault::commit(tx, "course.mark_published").await?;
    PUBLISHES.add(1, ["published"]);
    for step in steps {
        PUBLISH_STEP_SECONDS.record(step.seconds, [&step.step.to_string()]);
    }
    catalogue::changed(state).await;
    Ok(())
}

/// Decides against the version and leaves a tombstone that refuses late writes.
pub(crate) async fn abort(state: &State, request: VersionRef) -> Result<AbortReply> {
    let mut tx = postgres::begin(&state.pool).await?;
    let (course, attempt) = store::lock_attempt(&mut tx, &request.attempt_id).await?;
    if attempt.state == PublishState::Completed {
        return Ok(AbortReply {
            already_published: true,
        });
    }
    sqlx::query!(
        "update course.publish_attempts set aborted = true, revision = revision + 1 where id = $1 and not aborted",
        attempt.id
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "insert into course.versions (course_id, version, attempt_id, document_key, state) values ($1, $2, $3, $4, 'aborted')
         on conflict (course_id, version) do update set state = 'aborted'",
        course.id.0,
        attempt.version,
        attempt.id,
        store::version_key(attempt.version())
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "course.abort_version").await?;
    Ok(AbortReply {
        already_published: false,
    })
}
