//! Dropping a course frees the seat in the same transaction.

use smartcourse_platform::{Error, Result, error::codes, fault, grpc::Actor, outbox};
use smartcourse_proto::{events::EnrollmentDropped, ids::UserId};

use crate::{State, enroll, model};

/// Leaves the course; what is left already stays left.
pub(crate) async fn drop_course(state: &State, actor: Actor, enrollment_id: i64) -> Result<()> {
    let seen = model::by_id(&state.pool, enrollment_id).await?;
    require_self(actor, seen.user_id, enrollment_id)?;
    let mut tx = state.pool.begin().await?;
    enroll::lock_seats(&mut tx, seen.course_id).await?;
    let row = model::lock(&mut tx, enrollment_id).await?;
    match row.status.as_str() {
        "dropped" => return Ok(()),
        "completed" => {
            return Err(Error::new(
                &codes::ENROLLMENT_COMPLETED,
                "a completed course is not left: access to it stays",
            ));
        }
        _ => {}
    }
    // Its onboarding is over, wherever it stood: a run that is still going finds nothing to do.
    sqlx::query!(
        "with seat as (update enrollment.course_seats set taken = taken - 1 where course_id = $2)
         update enrollment.enrollments set status = 'dropped', dropped_at = now(), onboarding = 'completed' where id = $1",
        row.id,
        row.course_id
    )
    .execute(&mut *tx)
    .await?;
    let event = EnrollmentDropped {
        enrollment_id: row.id,
        epoch: row.epoch,
        course_id: row.course_id,
        user_id: row.user_id,
    };
    outbox::put_event(&mut tx, "enrollment.dropped", &model::event_key(row.id), &event).await?;
    fault::point("enrollment.drop", "before_commit");
    tx.commit().await?;
    fault::point("enrollment.drop", "after_commit");
    Ok(())
}

/// `Ok` for the student and for administrators; to everybody else the enrollment does not exist.
pub(crate) fn require_self(actor: Actor, user_id: i64, enrollment_id: i64) -> Result<()> {
    if actor.owns(UserId(user_id)) {
        return Ok(());
    }
    actor.user()?;
    Err(Error::new(
        &codes::NOT_FOUND,
        format!("there is no enrollment {enrollment_id}"),
    ))
}
