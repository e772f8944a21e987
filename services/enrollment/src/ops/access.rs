//! Who may read a course.

use smartcourse_platform::{Error, Result, grpc::Actor, postgres};
use smartcourse_proto::{
    enrollment::{Access, AccessRequest, Accessible},
    ids::UserId,
};
use sqlx::PgExecutor;

use crate::{State, codes, ops::leave};

/// Whether a user holds an active or completed enrollment, and which: users are told of their own.
pub(crate) async fn get(state: &State, actor: Actor, request: AccessRequest) -> Result<Access> {
    actor.require_self(request.user_id.into(), somebody_elses)?;
    access(&state.pool, &request).await
}

pub(crate) fn somebody_elses() -> Error {
    Error::new(&codes::FORBIDDEN, "these are somebody else's enrollments")
}

async fn access(connection: impl PgExecutor<'_>, request: &AccessRequest) -> Result<Access> {
    let found = sqlx::query_as!(
        Access,
        r#"select status <> 'dropped' as "enrolled!", id as enrollment_id, epoch
           from enrollment.enrollments where course_id = $1 and user_id = $2"#,
        request.course_id,
        request.user_id
    )
    .fetch_optional(connection)
    .await?;
    Ok(found.unwrap_or_default())
}

/// The same once a drop that is under way has ended, one way or the other.
pub(crate) async fn settle(state: &State, request: AccessRequest) -> Result<Access> {
    let mut tx = postgres::begin(&state.pool).await?;
    let seen = access(&mut *tx, &request).await?;
    leave::take_turn(&mut tx, seen.enrollment_id.into()).await?;
    access(&mut *tx, &request).await
}

/// The courses a user holds an active or completed enrollment in.
pub(crate) async fn list(state: &State, actor: Actor, user_id: UserId) -> Result<Accessible> {
    actor.require_self(user_id, somebody_elses)?;
    let course_ids = sqlx::query_scalar!(
        "select course_id from enrollment.enrollments where user_id = $1 and status in ('active', 'completed')",
        user_id.0
    )
    .fetch_all(&state.pool)
    .await?;
    Ok(Accessible { course_ids })
}
