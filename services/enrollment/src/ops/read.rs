//! A student's enrollments.

use smartcourse_platform::{Result, grpc::Actor, page};
use smartcourse_proto::{
    enrollment::{Enrollment, EnrollmentPage, ListEnrollmentsRequest},
    ids::{EnrollmentId, UserId},
};

use crate::{
    State,
    model::{self, EnrollmentRow},
    ops::{access, leave::require_self},
};

/// One enrollment.
pub(crate) async fn get(state: &State, actor: Actor, id: EnrollmentId) -> Result<Enrollment> {
    let row = model::by_id(&state.pool, id).await?;
    require_self(actor, row.user_id, id)?;
    let failed = model::failed_steps(&state.pool, &[id]).await?;
    Ok(model::outside(row, &failed, &state.temporal))
}

/// The enrollments of a student, newest first.
pub(crate) async fn list(
    state: &State,
    actor: Actor,
    request: ListEnrollmentsRequest,
) -> Result<EnrollmentPage> {
    let user_id = match UserId(request.user_id) {
        UserId(0) => actor.user()?,
        named if actor.is_self(named) => named,
        _ => return Err(access::somebody_elses()),
    };
    let limit = page::limit(request.limit)?;
    let before: Option<i64> = page::decode(&request.cursor)?;
    let mut rows = sqlx::query_as!(
        EnrollmentRow,
        "select * from enrollment.enrollments where user_id = $1 and ($2::bigint is null or id < $2)
         order by id desc limit $3",
        user_id.0,
        before,
        limit + 1
    )
    .fetch_all(&state.pool)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |row| row.id.0);
    let ids: Vec<EnrollmentId> = rows.iter().map(|row| row.id).collect();
    let failed = model::failed_steps(&state.pool, &ids).await?;
    let shown = |row| model::outside(row, &failed, &state.temporal);
    let items = rows.into_iter().map(shown).collect();
    Ok(EnrollmentPage { items, next_cursor })
}
