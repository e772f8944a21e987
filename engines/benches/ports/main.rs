//! The ports measured: what is built in, the same through real servers, and the bare client of each server doing the least that has
//! the same effect. It starts the servers itself and prints Markdown:
//! `cargo bench -p smartcourse-engines --bench ports`.

mod documents;
mod events;
mod files;
mod line_up;
mod load;
mod rate_limits;
mod search;
mod tasks;

use anyhow::Result;
use line_up::LineUp;
use load::{AT_ONCE, WINDOW};
use smartcourse_tests::{
    ServerKind, TestServer,
    measure::{
        Outcome,
        machine::{self, Since},
        table::Table,
    },
};

/// The outcomes of one operation.
struct Row {
    operation: &'static str,
    server: &'static str,
    built_in: Outcome,
    real: Outcome,
    bare: Outcome,
}

#[tokio::main]
async fn main() -> Result<()> {
    note("starting the servers");
    let (ferretdb, minio, redis, opensearch, kafka, rabbitmq) = tokio::try_join!(
        TestServer::start(ServerKind::FerretDb),
        TestServer::start(ServerKind::MinIo),
        TestServer::start(ServerKind::Redis),
        TestServer::start(ServerKind::OpenSearch),
        TestServer::start(ServerKind::Kafka),
        TestServer::start(ServerKind::RabbitMq),
    )?;
    let servers = [&ferretdb, &minio, &redis, &opensearch, &kafka, &rabbitmq];
    let named: Vec<(String, String)> = servers.iter().flat_map(|server| server.variables()).collect();
    let (built_in, real) = (&LineUp::open(&[]).await?, &LineUp::open(&named).await?);

    let since = Since::now();
    let mut rows = Vec::new();
    let mut add = |operations: &[&'static str], server: &TestServer, outcomes: [Vec<Outcome>; 3]| {
        let server = server.name();
        let [built_in, real, bare] = outcomes.map(Vec::into_iter);
        let outcomes = operations.iter().zip(built_in).zip(real).zip(bare);
        rows.extend(outcomes.map(|(((operation, built_in), real), bare)| Row {
            operation,
            server,
            built_in,
            real,
            bare,
        }));
    };
    note("documents");
    let outcomes = [
        documents::port(built_in).await?,
        documents::port(real).await?,
        documents::bare(&ferretdb).await?,
    ];
    add(&documents::OPERATIONS, &ferretdb, outcomes);
    note("files");
    let outcomes = [
        files::port(built_in).await?,
        files::port(real).await?,
        files::bare(real).await?,
    ];
    add(&files::OPERATIONS, &minio, outcomes);
    note("rate limits");
    let outcomes = [
        rate_limits::port(built_in).await?,
        rate_limits::port(real).await?,
        rate_limits::bare(&redis).await?,
    ];
    add(&rate_limits::OPERATIONS, &redis, outcomes);
    note("search");
    let outcomes = [
        search::port(built_in).await?,
        search::port(real).await?,
        search::bare(&opensearch).await?,
    ];
    add(&search::OPERATIONS, &opensearch, outcomes);
    note("tasks");
    let outcomes = [
        tasks::port(built_in).await?,
        tasks::port(real).await?,
        tasks::bare(&rabbitmq).await?,
    ];
    add(&tasks::OPERATIONS, &rabbitmq, outcomes);
    note("events");
    let outcomes = [
        events::port(built_in).await?,
        events::port(real).await?,
        events::bare(&kafka).await?,
    ];
    add(&events::OPERATIONS, &kafka, outcomes);

    let spent = since.spent();
    // The last are those at a steady rate.
    let lags = rows.split_off(rows.len() - events::RATES.len());
    print(&format!(
        "{}\n{AT_ONCE} at once for {} s each; other programs used {:.2} cores meanwhile. Ratios are of operations per second.\n\n{}\n\
         Events at a steady rate, from the commit to the effect. Ratios are of the p95.\n\n{}",
        machine::describe(),
        WINDOW.as_secs(),
        spent.others,
        table(&rows, Outcome::per_second),
        table(&lags, |outcome| outcome.quantile(0.95).as_secs_f64()),
    ));
    Ok(())
}

fn table(rows: &[Row], compared: fn(&Outcome) -> f64) -> String {
    let mut table = Table::new(&[
        "",
        "built in, /s",
        "p95 ms",
        "server",
        "/s",
        "p95 ms",
        "bare client, /s",
        "p95 ms",
        "server ÷ built in",
        "server ÷ bare",
    ]);
    for row in rows {
        let mut cells = vec![row.operation.to_owned()];
        cells.extend(figures(&row.built_in));
        cells.push(row.server.to_owned());
        cells.extend(figures(&row.real));
        cells.extend(figures(&row.bare));
        let real = compared(&row.real);
        cells.extend([&row.built_in, &row.bare].map(|other| format!("{:.2}", real / compared(other))));
        table.row(cells);
    }
    table.finish()
}

/// Operations per second, and the 95th percentile in milliseconds.
fn figures(outcome: &Outcome) -> [String; 2] {
    let p95 = outcome.quantile(0.95).as_secs_f64() * 1000.0;
    // Whatever is in the process takes microseconds.
    let digits = if p95 < 1.0 { 3 } else { 1 };
    [format!("{:.0}", outcome.per_second()), format!("{p95:.digits$}")]
}

/// The one place that writes to standard output.
#[expect(clippy::print_stdout, reason = "the tables are what this is for")]
fn print(text: &str) {
    println!("{text}");
}

/// Says what is being done; standard output is kept for the tables.
fn note(text: &str) {
    eprintln!("ports: {text}");
}
