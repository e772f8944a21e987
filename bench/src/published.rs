//! Publishing a course over HTTP and timing it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::Session;
use sqlx::{PgPool, Row as _};

/// How often the end is polled for, straight in the database: asking the API would be load of its own.
const POLL: Duration = Duration::from_millis(10);
/// Longest publish worth waiting for.
const PATIENCE: Duration = Duration::from_secs(900);

/// Makes a course with these lessons.
///
/// # Errors
/// When it is refused.
pub(crate) async fn course(session: &Session, lessons: &[Value]) -> Result<i64> {
    let facts = json!({"title": "A measured course", "description": "Generated."});
    let id = session.post("/courses", &facts).await?.expect(201)?["id"]
        .as_i64()
        .context("a course has an id")?;
    session.put_lessons(id, lessons).await?.expect(200)?;
    Ok(id)
}

/// Publishes a course; the time from the request to the end of the attempt.
///
/// # Errors
/// When it fails or does not end.
pub(crate) async fn publish(session: &Session, pool: &PgPool, course: i64) -> Result<Duration> {
    let start = Instant::now();
    session
        .post(&format!("/courses/{course}/publish"), &Value::Null)
        .await?
        .expect(202)?;
    loop {
        let state: String = sqlx::query_scalar(
            "select state from course.publish_attempts where course_id = $1 order by version desc limit 1",
        )
        .bind(course)
        .fetch_one(pool)
        .await?;
        match state.as_str() {
            "completed" => return Ok(start.elapsed()),
            "failed" | "cancelled" => anyhow::bail!("the publish {state}"),
            _ => ensure!(
                start.elapsed() < PATIENCE,
                "the publish did not end within {PATIENCE:?}"
            ),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The seconds each step of the latest publish took, in order, after the seconds before the first one.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn steps(pool: &PgPool, course: i64) -> Result<Vec<f64>> {
    let rows = sqlx::query(
        "with latest as (
             select id, accepted_at, finished_at from course.publish_attempts where course_id = $1 order by version desc limit 1
         ), times as (
             select s.step, s.started_at, lead(s.started_at, 1, l.finished_at) over (order by s.step) as ended_at, l.accepted_at
             from course.publish_steps s join latest l on l.id = s.attempt_id
         )
         select 0 as step, extract(epoch from min(started_at) - min(accepted_at))::float8 as seconds from times
         union all
         select step, extract(epoch from ended_at - started_at)::float8 from times order by 1",
    )
    .bind(course)
    .fetch_all(pool)
    .await?;
    Ok(rows.iter().map(|row| row.get("seconds")).collect())
}
