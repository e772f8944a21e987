//! Which workers live.

use smartcourse_platform::Result;
use smartcourse_proto::course::ReportWorkerRequest;

use crate::State;

/// A worker silent for this long is dead; it reports every two seconds.
const SILENCE_SECONDS: f64 = 6.0;

/// Records a sign of life, and forgets workers that are long gone.
pub(crate) async fn report(state: &State, request: ReportWorkerRequest) -> Result<()> {
    sqlx::query!(
        "insert into course.workers (identity) values ($1) on conflict (identity) do update set seen_at = now()",
        request.identity
    )
    .execute(&state.pool)
    .await?;
    sqlx::query!("delete from course.workers where seen_at < now() - interval '1 hour'")
        .execute(&state.pool)
        .await?;
    Ok(())
}

/// Whether any worker lives.
pub(crate) async fn any(state: &State) -> Result<bool> {
    let any = sqlx::query_scalar!(
        "select exists (select 1 from course.workers where seen_at > now() - make_interval(secs => $1)) as \"any!\"",
        SILENCE_SECONDS
    )
    .fetch_one(&state.pool)
    .await?;
    Ok(any)
}
