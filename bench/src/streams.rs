//! What readers notice of two thousand others who follow publishes.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_tests::{
    Layout, Session, World,
    measure::{
        Outcome,
        table::{Table, millis, verdict},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    load::{self, Target, request},
    note,
};

/// Users who follow, and publishes of each that they follow.
const USERS: usize = 100;
const STREAMS_PER_USER: usize = 20;
/// Connections of the readers, requests of a round at most, and its time.
const CONNECTIONS: usize = 16;
const REQUESTS: usize = 4_000;
const LIMIT: Duration = Duration::from_secs(10);
/// Rounds of each side; what counts is the median of their p50.
const ROUNDS: usize = 3;

/// `GET /courses` alone, then with the streams open.
///
/// # Errors
/// When a stream does not open or a request is not answered with 200.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let world = World::start_with(executable, Layout::Together, &load::NO_RATES).await?;
    // Without a worker a publish stays open, so that its followers stay.
    world.kill("worker");
    let mut users = Vec::new();
    for _ in 0..USERS {
        let session = world.sign_up("instructor").await?;
        let course = session.course(&[("A lesson", "It has words.")]).await?;
        session
            .post(&format!("/courses/{course}/publish"), &Value::Null)
            .await?
            .expect(202)?;
        users.push((session, course));
    }
    let gateway = world.base.strip_prefix("http://").unwrap_or(&world.base);
    let target = Target::get(gateway, "/courses", None);
    load::run(&target, CONNECTIONS, 400, LIMIT).await?;
    let alone = rounds(&target).await?;
    note(&format!("opening {} streams", USERS * STREAMS_PER_USER));
    let mut streams = JoinSet::new();
    for (session, course) in &users {
        for _ in 0..STREAMS_PER_USER {
            follow(gateway, session, *course, &mut streams).await?;
        }
    }
    let followed = rounds(&target).await?;
    ensure!(
        streams.try_join_next().is_none(),
        "a stream has ended while it should be followed"
    );

    let mut table = Table::new(&["`GET /courses`", "p50 ms", "p95 ms", "p99 ms", "requests/s"]);
    let name = format!("while {} streams are open", USERS * STREAMS_PER_USER);
    for (name, outcome) in [("alone", &alone), (&name, &followed)] {
        let mut cells = vec![name.to_owned()];
        cells.extend([0.5, 0.95, 0.99].map(|share| millis(outcome.quantile(share))));
        cells.push(format!("{:.0}", outcome.per_second()));
        table.row(cells);
    }
    let ratio = followed.quantile(0.5).as_secs_f64() / alone.quantile(0.5).as_secs_f64();
    Ok(format!(
        "## Streams\n\n{USERS} users follow a publish each, {STREAMS_PER_USER} times, over connections of their own; no worker runs, so that the \
         publishes stay open. {CONNECTIONS} connections read meanwhile. The median of {ROUNDS} rounds.\n\n{}\n{}",
        table.finish(),
        verdict("p50 with the streams ÷ p50 alone", ratio, 2.0, true),
    ))
}

/// The round with the median p50.
async fn rounds(target: &Target) -> Result<Outcome> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(load::run(target, CONNECTIONS, REQUESTS, LIMIT).await?);
    }
    rounds.sort_by_key(|outcome| outcome.quantile(0.5));
    Ok(rounds.swap_remove(ROUNDS / 2))
}

/// Opens a stream, and reads it for as long as it lasts.
async fn follow(gateway: &str, session: &Session, course: i64, streams: &mut JoinSet<()>) -> Result<()> {
    let path = format!("/courses/{course}/publish/events");
    let mut stream = TcpStream::connect(gateway).await?;
    stream
        .write_all(&request(gateway, "GET", &path, Some(&session.token)))
        .await?;
    let mut bytes = vec![0; 16 * 1024];
    let count = stream.read(&mut bytes).await?;
    let head = std::str::from_utf8(&bytes[..count]).context("a head is text")?;
    ensure!(head.starts_with("HTTP/1.1 200"), "a stream was answered: {head}");
    streams.spawn(async move { while matches!(stream.read(&mut bytes).await, Ok(1..)) {} });
    Ok(())
}
