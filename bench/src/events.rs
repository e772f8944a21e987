//! How far analytics is behind the log at a steady rate, and how fast it counts the log again.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_platform::{
    outbox::{self, NewEvent},
    postgres,
};
use smartcourse_proto::events::EnrollmentCreated;
use smartcourse_tests::{
    Layout, World,
    measure::{
        machine::Since,
        table::{Table, millis, quantile, verdict},
    },
};
use sqlx::{PgPool, types::Uuid};

use crate::note;

/// Events per second, and for how long.
const RATES: [u64; 2] = [200, 500];
const SECONDS: u64 = 15;
/// Connections that write them: one alone would wait for the disk.
const WRITERS: u64 = 4;
/// Events that fill the log.
const LOG: i64 = 100_000;
/// How many of them one transaction writes.
const BATCH: i64 = 1_000;
/// How often it is looked for what the group has taken.
const POLL: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures both.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let world = World::start(executable, Layout::Together).await?;
    let since = Since::now();
    let mut table = Table::new(&["from commit to counted", "p50 ms", "p95 ms", "p99 ms"]);
    let (mut written, mut p95) = (0, Duration::ZERO);
    for rate in RATES {
        note(&format!("{rate} events a second"));
        let lags = lags(&world.pool, rate, written).await?;
        written += i64::try_from(rate * SECONDS)?;
        p95 = quantile(&lags, 0.95);
        let mut cells = vec![format!("{rate} events/s")];
        cells.extend([0.5, 0.95, 0.99].map(|share| millis(quantile(&lags, share))));
        table.row(cells);
    }
    let others = since.spent().others;
    note("the log counted again");
    fill(&world.pool, written).await?;
    let (agrees, told) = world.run(&["analytics", "rebuild"])?;
    ensure!(agrees, "{told}");
    let rebuilt = told
        .lines()
        .find(|line| line.starts_with("counted "))
        .context("a rebuild says how fast it was")?;
    Ok(format!(
        "## Events\n\nEnrollments for {SECONDS} s at each rate, each in a transaction and under a key of its own, by {WRITERS} writers. \
         Other programs used {others:.2} cores meanwhile.\n\n{}\n{}\n\
         `smartcourse analytics rebuild`: {rebuilt}, and they agreed to the digit.\n",
        table.finish(),
        verdict("p95 at 500 events/s, in seconds", p95.as_secs_f64(), 0.1, true)
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

/// Time from each commit to the moment the counter is seen to have taken its event, sorted; so many events were written before.
async fn lags(pool: &PgPool, rate: u64, before: i64) -> Result<Vec<Duration>> {
    let start = Instant::now();
    // Committed, and not seen to be taken.
    let awaited: Arc<Mutex<HashMap<Uuid, Instant>>> = Arc::default();
    let held = || awaited.lock().unwrap_or_else(PoisonError::into_inner);
    let writers = (0..WRITERS).map(|writer| {
        let (pool, awaited) = (pool.clone(), Arc::clone(&awaited));
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_micros(1_000_000 * WRITERS / rate));
            for number in (1..=rate * SECONDS).filter(|number| number % WRITERS == writer) {
                clock.tick().await;
                let (key, event) = created(before + i64::try_from(number)?);
                let mut tx = postgres::begin(&pool).await?;
                let id = outbox::put_event(&mut tx, "enrollment.created", &key, &event).await?;
                tx.commit().await?;
                let mut awaited = awaited.lock().unwrap_or_else(PoisonError::into_inner);
                awaited.insert(id, Instant::now());
            }
            Ok::<_, anyhow::Error>(())
        })
    });
    let writers: Vec<_> = writers.collect();
    let (mut lags, count) = (Vec::new(), usize::try_from(rate * SECONDS)?);
    while lags.len() < count {
        tokio::time::sleep(POLL).await;
        let ids: Vec<Uuid> = held().keys().copied().collect();
        let taken: Vec<Uuid> = sqlx::query_scalar(
            "select event_id from platform.inbox where group_name = 'analytics.counter' and event_id = any($1)",
        )
        .bind(ids)
        .fetch_all(pool)
        .await?;
        let now = Instant::now();
        let mut awaited = held();
        let commits = taken.iter().filter_map(|id| awaited.remove(id));
        lags.extend(commits.map(|at| now.saturating_duration_since(at)));
        ensure!(
            start.elapsed() < PATIENCE,
            "the counter has taken {} of {count}",
            lags.len()
        );
    }
    for writer in writers {
        writer.await??;
    }
    lags.sort_unstable();
    Ok(lags)
}

/// Fills the log and waits until the counter has read it.
async fn fill(pool: &PgPool, before: i64) -> Result<()> {
    for begin in (1..=LOG).step_by(usize::try_from(BATCH)?) {
        let events = (begin..begin + BATCH).map(|number| {
            let (key, event) = created(before + number);
            NewEvent::new("enrollment.created", key, &event)
        });
        let events = events.collect::<Result<Vec<_>, _>>()?;
        let mut tx = postgres::begin(pool).await?;
        outbox::put_events(&mut tx, &events).await?;
        tx.commit().await?;
    }
    let start = Instant::now();
    loop {
        let position: i64 =
            sqlx::query_scalar("select position from platform.event_groups where name = 'analytics.counter'")
                .fetch_one(pool)
                .await?;
        if position >= before + LOG {
            return Ok(());
        }
        ensure!(start.elapsed() < PATIENCE, "the counter is at {position}");
        tokio::time::sleep(POLL * 10).await;
    }
}
