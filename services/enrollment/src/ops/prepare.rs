//! The publish step of this service and its compensation. Both take the course's lock, so that they come one after the
//! other: a prepare that arrives after the discard of its version finds the tombstone and is refused.

use smartcourse_platform::{
    Error, Result, fault,
    postgres::{self, Tx},
};
use smartcourse_proto::{
    enrollment::PrepareRequest,
    ids::{CourseId, VersionId},
};

use crate::State;

/// First key of the advisory lock: "enro". The second is the course.
const LOCK: i32 = 0x656e_726f;

async fn locked(state: &State, course_id: CourseId) -> Result<Tx> {
    let mut tx = postgres::begin(&state.pool).await?;
    postgres::lock(&mut tx, LOCK, course_id.0).await?;
    Ok(tx)
}

/// Opens the seats of a course that has none yet. Seats that are there stay as they are.
pub(crate) async fn prepare(state: &State, request: &PrepareRequest) -> Result<()> {
    let mut tx = locked(state, request.course_id.into()).await?;
    let discarded = sqlx::query_scalar!(
        r#"select exists (select from enrollment.tombstones where course_id = $1 and version = $2) as "discarded!""#,
        request.course_id,
        request.version
    )
    .fetch_one(&mut *tx)
    .await?;
    if discarded {
        return Err(Error::discarded(request.version));
    }
    // A later version that finds the row relies on it too: undoing the first one must not take it away.
    sqlx::query!(
        "insert into enrollment.course_seats as seats (course_id, max, prepared_version) values ($1, $2, $3)
         on conflict (course_id) do update set prepared_version = null
         where seats.prepared_version <> excluded.prepared_version",
        request.course_id,
        request.max_enrollments,
        request.version
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "enrollment.prepare_course").await?;
    Ok(())
}

/// Undoes the preparation of a version for good: removes what only it made, and refuses it from now on.
pub(crate) async fn discard(state: &State, version: VersionId) -> Result<()> {
    let mut tx = locked(state, version.course_id).await?;
    sqlx::query!(
        "insert into enrollment.tombstones (course_id, version) values ($1, $2) on conflict do nothing",
        version.course_id.0,
        version.version
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "delete from enrollment.course_seats
         where course_id = $1 and prepared_version = $2 and taken = 0",
        version.course_id.0,
        version.version
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "enrollment.discard_course").await?;
    Ok(())
}
