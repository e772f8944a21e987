//! Cancelling a publish: before its start it ends here, before the flip it is compensated, after it nothing happens.

use smartcourse_platform::{Error, Result, grpc::Actor, outbox, postgres};
use smartcourse_proto::{
    Wire as _,
    course::{PublishState, PublishStatus},
    ids::CourseId,
};

use crate::{State, codes, ops::status, store};

pub(crate) async fn cancel(state: &State, actor: Actor, course_id: CourseId) -> Result<PublishStatus> {
    let mut tx = postgres::begin(&state.pool).await?;
    let course = store::lock_course(&mut tx, course_id).await?;
    course.require_owner(actor)?;
    let latest = store::latest_attempt(&mut *tx, course_id).await?;
    let attempt = latest.ok_or_else(store::never_published)?;
    match attempt.state {
        PublishState::Completed => {
            return Err(Error::new(
                &codes::ALREADY_PUBLISHED,
                "the version is live; there is nothing to cancel",
            ));
        }
        // A run that began once, before the server lost it, has left something to undo.
        PublishState::Accepted
            if attempt.started_at.is_none()
                && outbox::withdraw_start(&mut tx, &attempt.workflow_id).await? =>
        {
            // Never started: nothing to undo, and the relay skips it.
            sqlx::query!(
                "update course.publish_attempts set state = 'cancelled', aborted = true, finished_at = now(),
                     error_code = 'publish_cancelled', error_message = 'The publish was cancelled before it began.',
                     revision = revision + 1 where id = $1",
                attempt.id
            )
            .execute(&mut *tx)
            .await?;
        }
        PublishState::Accepted | PublishState::Running => {
            sqlx::query!(
                "update course.publish_attempts set state = 'cancelling', revision = revision + 1 where id = $1",
                attempt.id
            )
            .execute(&mut *tx)
            .await?;
            outbox::put_cancel(&mut tx, &attempt.workflow_id).await?;
        }
        PublishState::Cancelling => {}
        other => {
            return Err(Error::new(
                &codes::ATTEMPT_CLOSED,
                format!("the publish is already {}", other.as_text()),
            ));
        }
    }
    tx.commit().await?;
    status::get(state, actor, course_id).await
}
