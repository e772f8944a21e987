//! Students who leave. The enrollment service has a drop noted here before it happens, under the lock of the learner's
//! row: a course that is completed is not left, and an epoch that is noted completes nothing.
//!
//! A note whose drop did not happen – its process died in between – is found by the learner's next lesson or set-up, and
//! taken back. A republish asks nobody: what it leaves complete is completed with that next lesson.

use smartcourse_platform::{Error, Result, error::codes, fault, grpc::Actor, postgres};
use smartcourse_proto::{enrollment::AccessRequest, progress::LeaveRequest};
use sqlx::{PgConnection, PgPool};

use crate::{State, enrollments};

/// Notes that an epoch is being left.
///
/// # Errors
/// `enrollment_completed` when there is a completion.
pub(crate) async fn leave(pool: &PgPool, request: LeaveRequest) -> Result<()> {
    let mut tx = postgres::begin(pool).await?;
    let enrollment = enrollments::lock(&mut tx, request.enrollment_id).await?;
    if enrollment.is_some_and(|enrollment| enrollment.completed_at.is_some()) {
        return Err(Error::new(
            &codes::ENROLLMENT_COMPLETED,
            "a completed course is not left: access to it stays",
        ));
    }
    sqlx::query!(
        "insert into progress.drops as d (enrollment_id, epoch, asked, announced) values ($1, $2, 1, false)
         on conflict (enrollment_id) do update set epoch = greatest(d.epoch, excluded.epoch), asked = d.asked + 1,
             announced = d.announced and d.epoch >= excluded.epoch",
        request.enrollment_id,
        request.epoch
    )
    .execute(&mut *tx)
    .await?;
    fault::point("progress.leave", "before_commit");
    tx.commit().await?;
    fault::point("progress.leave", "after_commit");
    Ok(())
}

/// Whether an epoch was left, or is being left.
pub(crate) async fn is_noted(tx: &mut PgConnection, enrollment_id: i64, epoch: i32) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select from progress.drops where enrollment_id = $1 and epoch >= $2) as "noted!""#,
        enrollment_id,
        epoch
    )
    .fetch_one(tx)
    .await?)
}

/// Whether a student has left for good. Waits for a drop that is under way, so nothing may be locked here meanwhile: the
/// drop may be waiting for that lock. The note of a drop that did not happen is taken back.
pub(crate) async fn has_left(
    state: &State,
    enrollment_id: i64,
    epoch: i32,
    who: AccessRequest,
) -> Result<bool> {
    let note = sqlx::query!(
        "select epoch, asked, announced from progress.drops where enrollment_id = $1 and epoch >= $2",
        enrollment_id,
        epoch
    )
    .fetch_optional(&state.pool)
    .await?;
    let note = match note {
        None => return Ok(false),
        Some(note) if note.announced => return Ok(true),
        Some(note) => note,
    };
    let access = state
        .enrollment
        .settle_access(Actor::Service.request(who))
        .await?;
    if !access.enrolled || access.epoch != note.epoch {
        return Ok(true);
    }
    sqlx::query!(
        "delete from progress.drops where enrollment_id = $1 and epoch = $2 and asked = $3 and not announced",
        enrollment_id,
        note.epoch,
        note.asked
    )
    .execute(&state.pool)
    .await?;
    Ok(false)
}
