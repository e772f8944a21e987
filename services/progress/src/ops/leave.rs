//! Students who leave. The enrollment service has a drop noted here before it happens, under the lock of the learner's
//! row: a course that is completed is not left, and an epoch that is noted completes nothing.
//!
//! A note whose drop did not happen – its process died in between – is found by the learner's next lesson or set-up ([`has_left`](crate::learner::has_left)), and
//! taken back. A republish asks nobody: what it leaves complete is completed with that next lesson.

use smartcourse_platform::{Error, Result, fault, postgres};
use smartcourse_proto::progress::LeaveRequest;

use crate::{State, codes, enrollments};

/// Notes that an epoch is being left.
/// Refused with `enrollment_completed` when there is a completion.
pub(crate) async fn leave(state: &State, request: LeaveRequest) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    let enrollment = enrollments::lock(&mut tx, request.enrollment_id.into()).await?;
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
    fault::commit(tx, "progress.leave").await?;
    Ok(())
}
