//! The CSV report: asked for, made by a background task, kept until it is fetched.
//!
//! One row for the platform, then one for each course that was ever published.

use std::time::Duration;

use async_trait::async_trait;
use smartcourse_platform::{
    Error, Result, postgres,
    tasks::{self, Handler, Outcome, Task},
};
use smartcourse_proto::{
    Wire as _,
    analytics::{AssistantUse, EnrollmentNumbers, Report, ReportFile, ReportState, RequestReportRequest},
    json::timestamp::from_time,
};
use sqlx::{PgConnection, PgPool};
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::numbers::{self, Scope};

use crate::codes;

/// Kind of the task.
const KIND: &str = "analytics.report";

/// Reports one sweep removes at most; the next one goes on.
const SWEEP: i64 = 1000;

const HEADER: [&str; 13] = [
    "scope",
    "id",
    "title",
    "enrollments",
    "active",
    "completed",
    "dropped",
    "completion_rate",
    "mean_seconds_to_complete",
    "asked",
    "answered",
    "refused",
    "as_of",
];

/// Asks for a report; the same key asks once.
pub(crate) async fn request(pool: &PgPool, request: RequestReportRequest) -> Result<Report> {
    let mut tx = postgres::begin(pool).await?;
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
    get(pool, &row.id.to_string()).await
}

fn missing() -> Error {
    Error::new(&codes::NOT_FOUND, "there is no such report")
}

fn parse(id: &str) -> Result<Uuid> {
    id.parse().map_err(|_| missing())
}

/// How a report stands.
pub(crate) async fn get(pool: &PgPool, id: &str) -> Result<Report> {
    let row = sqlx::query!(
        "select id, state, error, requested_at, finished_at from analytics.reports where id = $1",
        parse(id)?
    )
    .fetch_optional(pool)
    .await?
    .ok_or_else(missing)?;
    let state = ReportState::from_text(&row.state).unwrap_or(ReportState::Unspecified);
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
pub(crate) async fn file(pool: &PgPool, id: &str) -> Result<ReportFile> {
    let report = sqlx::query!(
        "select csv, state, error from analytics.reports where id = $1",
        parse(id)?
    )
    .fetch_optional(pool)
    .await?
    .ok_or_else(missing)?;
    if ReportState::from_text(&report.state) == Some(ReportState::Failed) {
        let reason = report.error.unwrap_or_default();
        let detail = format!("the report could not be made: {reason}");
        return Err(Error::new(&codes::REPORT_FAILED, detail));
    }
    let csv = report
        .csv
        .ok_or_else(|| Error::new(&codes::NOT_READY, "the report is not ready"))?;
    Ok(ReportFile { csv })
}

/// Removes reports that were asked for longer ago than this and are not under way; answers how many.
pub(crate) async fn sweep(pool: &PgPool, age: Duration) -> Result<u64> {
    let deleted = sqlx::query!(
        "delete from analytics.reports where id in (
             select id from analytics.reports
             where state <> 'queued' and requested_at < now() - make_interval(secs => $1) limit $2)",
        age.as_secs_f64(),
        SWEEP
    )
    .execute(pool)
    .await?;
    Ok(deleted.rows_affected())
}

/// Makes reports in the background.
pub struct Reports(PgPool);

impl Reports {
    /// Over a pool of schema `analytics`.
    pub fn new(pool: PgPool) -> Self {
        Self(pool)
    }
}

#[async_trait]
impl Handler for Reports {
    fn kind(&self) -> &'static str {
        KIND
    }

    async fn handle(&self, task: &Task) -> Result<()> {
        // One that failed and was put back is under way again.
        sqlx::query!(
            "update analytics.reports set state = 'queued', error = null, finished_at = null
             where id = $1 and state = 'failed'",
            task.id
        )
        .execute(&self.0)
        .await?;
        let csv = write(&self.0).await?;
        sqlx::query!(
            "update analytics.reports set csv = coalesce(csv, $2) where id = $1",
            task.id,
            csv
        )
        .execute(&self.0)
        .await?;
        Ok(())
    }

    async fn settle(&self, tx: &mut PgConnection, task: &Task, outcome: Outcome<'_>) -> Result<()> {
        let (state, error) = match outcome {
            Outcome::Done => ("ready", None),
            Outcome::Dead(error) => ("failed", Some(error.detail())),
            Outcome::Retrying(_) => return Ok(()),
        };
        sqlx::query!(
            "update analytics.reports set state = $2, error = $3, finished_at = now() where id = $1",
            task.id,
            state,
            error
        )
        .execute(tx)
        .await?;
        Ok(())
    }
}

async fn write(pool: &PgPool) -> Result<Vec<u8>> {
    let as_of = match numbers::as_of(pool).await? {
        Some(time) => time
            .format(&Rfc3339)
            .map_err(|error| Error::internal("a time outside the calendar").because(error))?,
        None => String::new(),
    };
    let mut csv = csv::Writer::from_writer(Vec::new());
    let broken = |error: csv::Error| Error::internal("a report could not be written").because(error);
    csv.write_record(HEADER).map_err(broken)?;
    let courses = sqlx::query!("select course_id, title from analytics.courses order by course_id")
        .fetch_all(pool)
        .await?;
    let platform = [("platform", None, String::new())];
    let courses = courses
        .into_iter()
        .map(|row| ("course", Some(row.course_id), row.title));
    for (scope, course_id, title) in platform.into_iter().chain(courses) {
        let of = Scope {
            course_id,
            ..Scope::default()
        };
        let (enrollments, assistant) = (
            numbers::enrollments(pool, of).await?,
            numbers::assistant(pool, of).await?,
        );
        let id = course_id.map(|id| id.to_string()).unwrap_or_default();
        csv.write_record(record(scope, id, &title, &enrollments, &assistant, &as_of))
            .map_err(broken)?;
    }
    csv.into_inner()
        .map_err(|error| Error::internal("a report could not be written").because(error.to_string()))
}

fn record(
    scope: &str,
    id: String,
    title: &str,
    enrollments: &EnrollmentNumbers,
    assistant: &AssistantUse,
    as_of: &str,
) -> [String; 13] {
    [
        scope.to_owned(),
        id,
        harmless(title),
        enrollments.total.to_string(),
        enrollments.active.to_string(),
        enrollments.completed.to_string(),
        enrollments.dropped.to_string(),
        format!("{:.4}", enrollments.completion_rate),
        enrollments
            .mean_seconds_to_complete
            .map(|seconds| seconds.to_string())
            .unwrap_or_default(),
        assistant.asked.to_string(),
        assistant.answered.to_string(),
        assistant.refused.to_string(),
        as_of.to_owned(),
    ]
}

/// A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV injection).
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn titles_are_no_formulas() {
        assert_eq!(harmless("=1+1"), "'=1+1");
        assert_eq!(harmless("Sagas, step by step"), "Sagas, step by step");
    }
}
