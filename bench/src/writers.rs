//! Many writers of events at once: as the outbox takes them, against the same rows without any notification.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use smartcourse_platform::postgres;
use smartcourse_tests::{
    Layout, World,
    measure::{
        Outcome,
        machine::Since,
        table::{Table, millis, verdict},
    },
};
use sqlx::{Executor as _, PgPool, postgres::PgPoolOptions};

use crate::note;

/// Writers, each with a connection of its own, and for how long they write.
const WRITERS: u32 = 32;
const WINDOW: Duration = Duration::from_secs(4);
/// Rounds of all ways in turns; what counts is the median of their ratios.
const ROUNDS: usize = 5;

/// How an event is written; the first is what the others are compared with.
const WAYS: [(&str, &str); 3] = [
    (
        "no notification",
        "select bench.put_event(gen_random_uuid(), 'thing', $1, '{}', '{}')::text",
    ),
    (
        "the outbox: who finds the relay asleep notifies",
        "select platform.put_event(gen_random_uuid(), 'thing', $1, '{}', '{}')::text",
    ),
    (
        "every commit notifies",
        "select bench.put_event(gen_random_uuid(), 'thing', $1, '{}', '{}')::text, pg_notify('smartcourse_outbox', '')::text",
    ),
];

/// The product's function without its last line: what differs is the notification alone.
const WITHOUT: &str = "
    create schema bench;
    create function bench.put_event(id uuid, type text, key text, payload jsonb, headers jsonb) returns void
    language plpgsql as $$
    begin
        insert into platform.events (id, type, key, payload, headers)
        values (put_event.id, put_event.type, put_event.key, put_event.payload, put_event.headers);
    end $$";

/// Measures it, while the relay gives the events their positions.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let world = World::start(executable, Layout::Together).await?;
    for role in ["serve", "worker", "tasks"] {
        world.kill(role);
    }
    let options = world.pool.connect_options().as_ref().clone();
    let pool = PgPoolOptions::new()
        .max_connections(WRITERS)
        .min_connections(WRITERS)
        .connect_with(options)
        .await?;
    pool.execute(WITHOUT).await?;
    let since = Since::now();
    let mut rounds: Vec<Vec<Outcome>> = Vec::new();
    for number in 1..=ROUNDS {
        note(&format!("{WRITERS} writers, round {number} of {ROUNDS}"));
        let mut round = Vec::new();
        for (_, statement) in WAYS {
            round.push(write(&pool, statement).await?);
        }
        rounds.push(round);
    }
    let others = since.spent().others;
    let mut table = Table::new(&["", "commits/s", "p50 ms", "p99 ms", "÷ none"]);
    let mut ratios = Vec::new();
    for (way, (name, _)) in WAYS.iter().enumerate() {
        rounds.sort_by(|a, b| ratio(a, way).total_cmp(&ratio(b, way)));
        let median = &rounds[ROUNDS / 2];
        let outcome = &median[way];
        ratios.push(ratio(median, way));
        let mut cells = vec![(*name).to_owned(), format!("{:.0}", outcome.per_second())];
        cells.extend([0.5, 0.99].map(|share| millis(outcome.quantile(share))));
        cells.push(format!("{:.2}", ratio(median, way)));
        table.row(cells);
    }
    Ok(format!(
        "## Writers\n\n{WRITERS} writers commit one event each, over and over for {} s, while the relay places them; {ROUNDS} rounds of \
         all three in turns, of each the one with the median ratio. Other programs used {others:.2} cores.\n\n{}\n{}",
        WINDOW.as_secs(),
        table.finish(),
        verdict("The outbox ÷ no notification", ratios[1], 0.9, false)
    ))
}

/// Commits per second, as a part of those without a notification.
fn ratio(round: &[Outcome], way: usize) -> f64 {
    round[way].per_second() / round[0].per_second()
}

async fn write(pool: &PgPool, statement: &'static str) -> Result<Outcome> {
    let start = Instant::now();
    let writers = (0..WRITERS).map(|number| {
        let pool = pool.clone();
        let writer = async move {
            let mut times = Vec::new();
            while start.elapsed() < WINDOW {
                let begin = Instant::now();
                let mut tx = postgres::begin(&pool).await?;
                sqlx::query(statement)
                    .bind(format!("writer-{number}"))
                    .execute(&mut *tx)
                    .await?;
                tx.commit().await?;
                times.push(begin.elapsed());
            }
            anyhow::Ok(times)
        };
        async { tokio::spawn(writer).await? }
    });
    let times = try_join_all(writers).await?.concat();
    ensure!(!times.is_empty(), "nothing was written");
    Ok(Outcome::of(times, start.elapsed()))
}
