//! How far analytics is behind the log at a steady rate, and how fast it counts the log again.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_platform::{outbox, postgres};
use smartcourse_proto::events::EnrollmentCreated;
use smartcourse_tests::{Layout, World};
use sqlx::PgPool;

use crate::{
    machine::Since,
    note,
    table::{Table, millis, quantile},
};

/// Events per second, and for how long.
const RATE: u64 = 200;
const SECONDS: u64 = 15;
/// Events the rebuild finds.
const LOG: i64 = 20_000;
/// Events written in one transaction to fill the log.
const BATCH: i64 = 1_000;
/// How often the group's position is read.
const POLL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures both.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let world = World::start(executable, Layout::Together).await?;
    let since = Since::now();
    note("events at a steady rate");
    let lags = lags(&world.pool).await?;
    let others = since.spent().others;
    note("the log counted again");
    fill(&world.pool).await?;
    let (agrees, told) = world.run(&["analytics", "rebuild"])?;
    ensure!(agrees, "{told}");
    let rebuilt = told
        .lines()
        .find(|line| line.starts_with("counted "))
        .context("a rebuild says how fast it was")?;
    let mut table = Table::new(&["", "p50 ms", "p95 ms", "p99 ms"]);
    let mut cells = vec![format!("from commit to counted, {RATE} events/s")];
    cells.extend([0.5, 0.95, 0.99].map(|share| millis(quantile(&lags, share))));
    table.row(cells);
    Ok(format!(
        "## Events\n\n{} enrollments, each in a transaction and under a key of its own. Other programs used {others:.2} cores \
         meanwhile.\n\n{}\n`smartcourse analytics rebuild`: {rebuilt}, and they agreed to the digit.\n",
        RATE * SECONDS,
        table.finish()
    ))
}

fn created(number: i64) -> (String, EnrollmentCreated) {
    let event = EnrollmentCreated {
        enrollment_id: number,
        epoch: 1,
        course_id: number % 50,
        user_id: number,
        instructor_id: 1,
        course_title: "A course".to_owned(),
    };
    (format!("enrollment-{number}"), event)
}

/// Time from each commit to the moment the counter has read past its event, sorted.
async fn lags(pool: &PgPool) -> Result<Vec<Duration>> {
    let start = Instant::now();
    let writer = {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
            let mut commits = Vec::new();
            for number in 1..=i64::try_from(RATE * SECONDS)? {
                clock.tick().await;
                let (key, event) = created(number);
                let mut tx = postgres::begin(&pool).await?;
                let id = outbox::put_event(&mut tx, "enrollment.created", &key, &event).await?;
                tx.commit().await?;
                commits.push((id, start.elapsed()));
            }
            Ok::<_, anyhow::Error>(commits)
        })
    };
    // When the group was first seen at each position.
    let mut seen: Vec<(i64, Duration)> = Vec::new();
    let last = i64::try_from(RATE * SECONDS)?;
    loop {
        let position: Option<i64> =
            sqlx::query_scalar("select position from platform.event_groups where name = 'analytics.counter'")
                .fetch_optional(pool)
                .await?;
        let position = position.unwrap_or(0);
        if seen.last().is_none_or(|(known, _)| *known < position) {
            seen.push((position, start.elapsed()));
        }
        if position >= last {
            break;
        }
        ensure!(
            start.elapsed() < PATIENCE,
            "the counter is at {position} of {last}"
        );
        tokio::time::sleep(POLL).await;
    }
    let commits = writer.await??;
    let mut lags = Vec::new();
    for (id, committed) in commits {
        let position: i64 = sqlx::query_scalar("select position from platform.events where id = $1")
            .bind(id)
            .fetch_one(pool)
            .await?;
        let counted = seen.iter().find(|(reached, _)| *reached >= position);
        let (_, counted) = counted.context("every event was read")?;
        lags.push(counted.saturating_sub(committed));
    }
    lags.sort_unstable();
    Ok(lags)
}

/// Fills the log and waits until the counter has read it.
async fn fill(pool: &PgPool) -> Result<()> {
    let begin = i64::try_from(RATE * SECONDS)? + 1;
    let mut number = begin;
    while number < begin + LOG {
        let mut tx = postgres::begin(pool).await?;
        for number in number..number + BATCH {
            let (key, event) = created(number);
            outbox::put_event(&mut tx, "enrollment.created", &key, &event).await?;
        }
        tx.commit().await?;
        number += BATCH;
    }
    let start = Instant::now();
    loop {
        let position: i64 =
            sqlx::query_scalar("select position from platform.event_groups where name = 'analytics.counter'")
                .fetch_one(pool)
                .await?;
        if position >= begin + LOG - 1 {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "the counter is at {position}");
        tokio::time::sleep(POLL * 10).await;
    }
}
