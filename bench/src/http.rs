//! Two reads over HTTP against a bare route with one database read.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use smartcourse_tests::{
    Layout, World,
    measure::{
        Outcome,
        machine::Since,
        proc,
        table::{Table, millis, verdict},
    },
};

use crate::{
    bare::Bare,
    load::{self, Target},
    note, published,
    text::Dice,
};

/// Connections, and requests at most.
const LEVELS: [(usize, usize); 3] = [(1, 5_000), (16, 6_000), (64, 8_000)];
/// Rounds at each level; what counts is the median of their ratios, since the machine has better and worse seconds.
const ROUNDS: usize = 3;
/// No new requests after this.
const LIMIT: Duration = Duration::from_secs(8);
const WARM_UP: usize = 400;
/// Courses that are read in turns: their readers seldom want the same one, so what they share is the query.
const COURSES: usize = 100;

/// Runs every target at every level, in turns.
///
/// # Errors
/// When a request is not answered with 200.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let world = World::start_with(executable, Layout::Together, &load::NO_RATES).await?;
    let session = world.sign_up("instructor").await?;
    let course = published::course(&session, &Dice::new(3).lessons(2, 1)).await?;
    published::publish(&session, &world.pool, course).await?;
    let own = std::env::current_exe().context("the path of this executable is unknown")?;
    let bare = Bare::start(&own, &world.pool).await?;

    let gateway = world.base.strip_prefix("http://").unwrap_or(&world.base);
    let path = format!("/courses/{course}");
    let mut many = Vec::new();
    for _ in 0..COURSES {
        many.push(format!("/courses/{}", session.course(&[]).await?));
    }
    let targets = [
        (
            "bare axum route, one read",
            Target::get(&bare.address, &path, None),
            "bare",
        ),
        (
            "`GET /courses/{id}`, anonymous",
            Target::get(gateway, &path, None),
            "serve",
        ),
        (
            "`GET /courses/{id}`, owner",
            Target::get(gateway, &path, Some(&session.token)),
            "serve",
        ),
        (
            "`GET /courses/{id}/publish`, owner",
            Target::get(gateway, &format!("{path}/publish"), Some(&session.token)),
            "serve",
        ),
        (
            "`GET /courses/{id}`, owner, a hundred courses in turns",
            Target::get_each(gateway, &many, Some(&session.token)),
            "serve",
        ),
    ];
    let columns = [
        "",
        "connections",
        "requests",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "requests/s",
        "÷ bare",
        "processor ms of the process per request",
    ];
    let mut table = Table::new(&columns);
    let mut worst = [f64::INFINITY; 5];
    let mut alone = [0.0; 5];
    for (_, target, _) in &targets {
        load::run(target, 16, WARM_UP, LIMIT).await?;
    }
    let since = Since::now();
    for (connections, requests) in LEVELS {
        note(&format!("{connections} connections"));
        let mut rounds: [Vec<Round>; 5] = Default::default();
        for _ in 0..ROUNDS {
            let mut baseline = None;
            for ((_, target, process), rounds) in targets.iter().zip(&mut rounds) {
                let before = proc::time_of(process);
                let outcome = load::run(target, connections, requests, LIMIT).await?;
                let busy = proc::time_of(process).saturating_sub(before);
                let bare = *baseline.get_or_insert(outcome.per_second());
                let ratio = outcome.per_second() / bare;
                rounds.push(Round { outcome, ratio, busy });
            }
        }
        for ((((name, _, _), mut rounds), worst), alone) in
            targets.iter().zip(rounds).zip(&mut worst).zip(&mut alone)
        {
            rounds.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
            let median = &rounds[ROUNDS / 2];
            // One connection measures how long a request takes, many what the machine can do: its throughput.
            if connections == 1 {
                *alone = median.ratio;
            } else {
                *worst = worst.min(median.ratio);
            }
            table.row(cells(name, connections, median));
        }
    }
    let others = since.spent().others;
    Ok(format!(
        "## Reads over HTTP\n\nThe load comes from this command over connections that stay open; every process shares the same \
         cores. Each level has {ROUNDS} rounds of all targets in turns; shown is the one with the median ratio. Other programs used {others:.2} cores meanwhile.\n\n{}\n{}\n{}\nThe same over one connection: {:.2} and {:.2}. A \
         hundred courses in turns: {:.2} at the worst, {:.2} over one connection.\n",
        table.finish(),
        verdict(
            "`GET /courses/{id}` ÷ bare, throughput over 16 and 64 connections, at its worst",
            worst[1].min(worst[2]),
            0.6,
            false
        ),
        verdict(
            "`GET /courses/{id}/publish` ÷ bare, the same",
            worst[3],
            0.6,
            false
        ),
        alone[1].min(alone[2]),
        alone[3],
        worst[4],
        alone[4],
    ))
}

/// One run of a target, against that of the bare route in the same round.
struct Round {
    outcome: Outcome,
    ratio: f64,
    busy: Duration,
}

fn cells(name: &str, connections: usize, round: &Round) -> Vec<String> {
    let Round { outcome, ratio, busy } = round;
    let mut cells = vec![
        name.to_owned(),
        connections.to_string(),
        outcome.count().to_string(),
    ];
    cells.extend([0.5, 0.95, 0.99].map(|share| millis(outcome.quantile(share))));
    cells.push(format!("{:.0}", outcome.per_second()));
    cells.push(format!("{ratio:.2}"));
    cells.push(format!(
        "{:.2}",
        busy.as_secs_f64() * 1000.0 / outcome.count().max(1) as f64
    ));
    cells
}
