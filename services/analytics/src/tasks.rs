//! The CSV report as a background task.
//!
//! One row for the platform, then one for each course that was ever published.

use async_trait::async_trait;
use smartcourse_platform::{
    Error, Result,
    tasks::{Handler, Outcome, Task},
};
use smartcourse_proto::analytics::{AssistantUse, EnrollmentNumbers};
use sqlx::{PgConnection, PgPool};
use time::format_description::well_known::Rfc3339;

use crate::ops::{
    metrics::{self, Scope},
    reports::KIND,
};

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
            Outcome::Retrying(_) | Outcome::Postponed(_) => return Ok(()),
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

/// By which spreadsheets know UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

async fn write(pool: &PgPool) -> Result<Vec<u8>> {
    let as_of = match metrics::as_of(pool).await? {
        Some(time) => time
            .format(&Rfc3339)
            .map_err(|error| Error::internal("a time outside the calendar").because(error))?,
        None => String::new(),
    };
    let mut csv = csv::Writer::from_writer(BYTE_ORDER_MARK.to_vec());
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
        let enrollments = metrics::enrollments(pool, of).await?;
        let assistant = metrics::assistant(pool, of).await?;
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
    let mean = enrollments.mean_seconds_to_complete;
    [
        scope.to_owned(),
        id,
        harmless(title),
        enrollments.total.to_string(),
        enrollments.active.to_string(),
        enrollments.completed.to_string(),
        enrollments.dropped.to_string(),
        format!("{:.4}", enrollments.completion_rate),
        mean.map(|seconds| seconds.to_string()).unwrap_or_default(),
        assistant.asked.to_string(),
        assistant.answered.to_string(),
        assistant.refused.to_string(),
        as_of.to_owned(),
    ]
}

/// A spreadsheet takes a cell that begins with one of these for a formula, after blanks too (OWASP, CSV injection).
fn harmless(text: &str) -> String {
    let begins = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    if text.starts_with(['\t', '\r']) || text.trim_start().starts_with(begins) {
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
        assert_eq!(harmless(" ＝1+1"), "' ＝1+1");
        assert_eq!(harmless("Sagas, step by step"), "Sagas, step by step");
    }
}
