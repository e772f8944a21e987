//! Dropping a course frees the seat in the same transaction.
//!
//! A drop and a completion decide about the same enrollment in two services. The drop asks the progress service first:
//! it refuses when the course is completed, and completes nothing in this epoch from then on. Should the drop not happen
//! after that, the progress service finds out by `SettleAccess`, which waits for the turn the drop holds.

use smartcourse_platform::{Error, Result, fault, grpc::Actor, outbox, postgres};
use smartcourse_proto::{
    enrollment::EnrollmentStatus,
    events::EnrollmentDropped,
    ids::{EnrollmentId, UserId},
    key::Key,
    progress::LeaveRequest,
};
use sqlx::PgConnection;

use crate::{
    State, codes,
    model::{self, EnrollmentRow},
    ops::enroll,
};

/// First key of the advisory lock: "leav". The second is the enrollment.
const TURN: i32 = 0x6c65_6176;

/// Longest wait for a lock.
const PATIENCE: &str = "5s";

/// Lets one drop of an enrollment at a time be under way, until the transaction ends.
pub(crate) async fn take_turn(tx: &mut PgConnection, enrollment_id: EnrollmentId) -> Result<()> {
    // Who waits holds a connection: not for long.
    sqlx::query("select set_config('lock_timeout', $1, true)")
        .bind(PATIENCE)
        .execute(&mut *tx)
        .await?;
    postgres::lock(tx, TURN, enrollment_id.0).await
}

/// Leaves the course; what is left already stays left.
pub(crate) async fn drop_course(state: &State, actor: Actor, enrollment_id: EnrollmentId) -> Result<()> {
    let seen = model::by_id(&state.pool, enrollment_id).await?;
    require_self(actor, seen.user_id, enrollment_id)?;
    let mut tx = postgres::begin(&state.pool).await?;
    take_turn(&mut tx, enrollment_id).await?;
    let seen = model::by_id(&mut *tx, enrollment_id).await?;
    if !may_leave(&seen)? {
        return Ok(());
    }
    // Before the seats are locked: they do not wait for another service.
    let leave = Actor::Service.request(LeaveRequest {
        enrollment_id: enrollment_id.0,
        epoch: seen.epoch,
    });
    state.progress.leave(leave).await?;
    enroll::lock_seats(&mut tx, seen.course_id).await?;
    let row = model::lock(&mut tx, enrollment_id).await?;
    if !may_leave(&row)? {
        return Ok(());
    }
    // Its onboarding is over, wherever it stood: a run that is still going makes no progress record and sends no welcome,
    // because the services that would do it ask whether the epoch goes on.
    sqlx::query!(
        "with seat as (update enrollment.course_seats set taken = taken - 1 where course_id = $2)
         update enrollment.enrollments set status = 'dropped', dropped_at = now(), onboarding = 'completed' where id = $1",
        row.id.0,
        row.course_id.0
    )
    .execute(&mut *tx)
    .await?;
    let event = EnrollmentDropped {
        enrollment_id: row.id.0,
        epoch: row.epoch,
        course_id: row.course_id.0,
        user_id: row.user_id.0,
    };
    let key = Key::Enrollment.of(row.id.0);
    outbox::put_event(&mut tx, "enrollment.dropped", &key, &event).await?;
    fault::commit(tx, "enrollment.drop").await?;
    Ok(())
}

/// False when it was left already.
fn may_leave(row: &EnrollmentRow) -> Result<bool> {
    match row.status {
        EnrollmentStatus::Dropped => Ok(false),
        EnrollmentStatus::Completed => Err(Error::new(
            &codes::ENROLLMENT_COMPLETED,
            "a completed course is not left: access to it stays",
        )),
        EnrollmentStatus::Active | EnrollmentStatus::Unspecified => Ok(true),
    }
}

/// `Ok` for the student and for administrators; to everybody else the enrollment does not exist.
pub(crate) fn require_self(actor: Actor, user_id: UserId, enrollment_id: EnrollmentId) -> Result<()> {
    actor.require_self(user_id, || model::missing(enrollment_id))
}
