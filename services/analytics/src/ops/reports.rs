//! Reports: asked for, made by a background task, kept until they are fetched.

use smartcourse_platform::{
    Error, Result,
    grpc::Actor,
    postgres,
    tasks::{self, Task},
};
use smartcourse_proto::{
    analytics::{Report, ReportFile, ReportState, RequestReportRequest},
    common::Swept,
    json::timestamp::from_time,
};
use uuid::Uuid;

use crate::{State, codes, ops::metrics::require_admin};

/// Kind of the task.
pub(crate) const KIND: &str = "analytics.report";

/// Reports one sweep removes at most; the next one goes on.
const SWEEP: i64 = 1000;

/// Asks for a report; the same key asks once.
pub(crate) async fn request(state: &State, actor: Actor, request: RequestReportRequest) -> Result<Report> {
    require_admin(actor)?;
    let mut tx = postgres::begin(&state.pool).await?;
    let row = sqlx::query!(
        r#"insert into analytics.reports as known (id, key) values ($1, $2)
         on conflict (key) do update set key = known.key returning id, xmax = 0 as "is_new!""#,
        Uuid::now_v7(),
        request.idempotency_key
    )
    .fetch_one(&mut *tx)
    .await?;
    // One that was asked for before has had its task, though that may have been cleaned up since.
    if row.is_new {
        tasks::put(&mut tx, &Task::new(row.id, KIND, &row.id)?).await?;
    }
    tx.commit().await?;
    get(state, actor, &row.id.to_string()).await
}

fn missing() -> Error {
    Error::new(&codes::NOT_FOUND, "there is no such report")
}

fn parse(id: &str) -> Result<Uuid> {
    id.parse().map_err(|_| missing())
}

/// How a report stands.
pub(crate) async fn get(state: &State, actor: Actor, id: &str) -> Result<Report> {
    require_admin(actor)?;
    let row = sqlx::query!(
        "select id, state, error, requested_at, finished_at from analytics.reports where id = $1",
        parse(id)?
    )
    .fetch_optional(&state.pool)
    .await?
    .ok_or_else(missing)?;
    let state = ReportState::from(row.state);
    Ok(Report {
        id: row.id.to_string(),
        state: state.into(),
        requested_at: Some(from_time(row.requested_at)),
        finished_at: row.finished_at.map(from_time),
        error: row.error,
        download_url: (state == ReportState::Ready).then(|| format!("/admin/reports/{}?format=csv", row.id)),
    })
}

/// The CSV of a report that is ready.
pub(crate) async fn file(state: &State, actor: Actor, id: &str) -> Result<ReportFile> {
    require_admin(actor)?;
    let report = sqlx::query!(
        "select csv, state, error from analytics.reports where id = $1",
        parse(id)?
    )
    .fetch_optional(&state.pool)
    .await?
    .ok_or_else(missing)?;
    if ReportState::from(report.state) == ReportState::Failed {
        let reason = report.error.unwrap_or_default();
        let detail = format!("the report could not be made: {reason}");
        return Err(Error::new(&codes::REPORT_FAILED, detail));
    }
    let waits = || Error::new(&codes::NOT_READY, "the report is not ready");
    let csv = report.csv.ok_or_else(waits)?;
    Ok(ReportFile { csv })
}

/// Removes reports that were asked for too long ago and are not under way.
pub(crate) async fn sweep(state: &State) -> Result<Swept> {
    let deleted = sqlx::query!(
        "delete from analytics.reports where id in (
             select id from analytics.reports
             where state <> 'queued' and requested_at < $1 limit $2)",
        state.clock.now() - state.keep_reports,
        SWEEP
    )
    .execute(&state.pool)
    .await?;
    Ok(Swept {
        removed: deleted.rows_affected(),
    })
}
