//! SmartCourse measured: each command runs a bounded measurement against real servers on this machine and prints a
//! Markdown table. Whatever is a ratio has both its sides measured in one run.

mod answers;
mod bare;
mod enroll;
mod events;
mod footprint;
mod http;
mod load;
mod overhead;
mod publish;
mod published;
mod quota;
mod republish;
mod retrieval;
mod rules;
mod scale;
mod streams;
mod telemetry;
mod text;
mod workflow;
mod writers;
mod year;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use smartcourse_tests::{Stack, measure::machine};

/// Measures SmartCourse and prints Markdown.
#[derive(Parser)]
struct Cli {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    measure: Measure,
    /// The executable under test; by default the one beside this command.
    #[arg(long)]
    executable: Option<PathBuf>,
    /// The corpus of `answers`.
    #[arg(long, default_value = "examples/answers")]
    corpus: PathBuf,
    /// Also tell which questions of the half for tuning were not answered right.
    #[arg(long)]
    misses: bool,
    /// Events of the year, about.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// A large publish against embedding its chunks in a plain loop; then a publish after one edit.
    Publish,
    /// A publish whose embedder costs nothing against a bare workflow of as many activities.
    Overhead,
    /// Two reads over HTTP against a bare route with one database read.
    Http,
    /// Reads while two thousand streams of publishes are open.
    Streams,
    /// Retrieval over ten thousand chunks.
    Retrieval,
    /// Right answers, cited lessons and refusals over a corpus of questions.
    Answers,
    /// Seats over HTTP against a bare insert, and the workflows that follow against bare ones.
    Enroll,
    /// How far analytics is behind the log, and how fast it counts the log again.
    Events,
    /// Thirty-two writers of events, with and without notifications.
    Writers,
    /// Lessons of one course while a new version of another completes ten thousand learners.
    Republish,
    /// Memory, start times and the size of the executable.
    Footprint,
    /// One, two and four processes of each role, held to a share of a core each.
    Scale,
    /// Reads over HTTP with metrics and traces against without; installs a Redis.
    Telemetry,
    /// The tests of the services' rules; built from the sources this command was built from.
    Rules,
    /// A school after a year: sizes of its tables, times of its pages and of what runs by itself.
    Year,
    /// Everything but `answers` and those from `scale` to `year`, one after the other.
    All,
    /// The bare route: started by `http` as a process of its own.
    #[value(hide = true)]
    Bare,
}

impl Measure {
    fn includes(self, other: Self) -> bool {
        self == Self::All || self == other
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    if cli.measure == Measure::Bare {
        return bare::serve().await;
    }
    if cli.measure == Measure::Rules {
        print(&machine::describe());
        print(&rules::measure()?);
        return Ok(());
    }
    let executable = executable(cli.executable)?;
    note("removing what killed tests left");
    smartcourse_tests::remove_left_behind()?;
    print(&format!("{}{}", machine::describe(), servers()?));
    let alone = match cli.measure {
        Measure::Answers => Some(answers::measure(&executable, &cli.corpus, cli.misses).await?),
        Measure::Scale => Some(scale::measure(&executable).await?),
        Measure::Telemetry => Some(telemetry::measure(&executable).await?),
        Measure::Year => Some(year::measure(&executable, cli.events).await?),
        _ => None,
    };
    if let Some(text) = alone {
        print(&text);
        return Ok(());
    }
    if cli.measure.includes(Measure::Footprint) {
        print(&footprint::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Overhead) {
        print(&overhead::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Http) {
        print(&http::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Enroll) {
        print(&enroll::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Events) {
        print(&events::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Writers) {
        print(&writers::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Republish) {
        print(&republish::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Streams) {
        print(&streams::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Retrieval) {
        print(&retrieval::measure(&executable).await?);
    }
    if cli.measure.includes(Measure::Publish) {
        print(&publish::measure(&executable).await?);
    }
    Ok(())
}

fn executable(asked: Option<PathBuf>) -> Result<PathBuf> {
    let beside = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("the path of this executable is unknown")?;
        Ok(own.parent().unwrap_or(Path::new(".")).join("smartcourse"))
    };
    let path = asked.map_or_else(beside, Ok)?;
    let build = if cfg!(debug_assertions) {
        "cargo build -p smartcourse-cli"
    } else {
        "cargo build --release -p smartcourse-cli"
    };
    anyhow::ensure!(
        path.is_file(),
        "there is no executable at {}: build it with `{build}`",
        path.display()
    );
    path.canonicalize()
        .with_context(|| format!("cannot use {}", path.display()))
}

/// The servers in place of what is built in.
fn servers() -> Result<String> {
    let stack = Stack::named()?;
    let names: Vec<&str> = stack.iter().flat_map(Stack::names).collect();
    Ok(match names.is_empty() {
        true => "- Servers: those built in\n".to_owned(),
        false => format!("- Servers: those named by `{}`\n", names.join("`, `")),
    })
}

/// The one place that writes to standard output.
#[expect(clippy::print_stdout, reason = "the tables are what this command is for")]
fn print(text: &str) {
    println!("{text}");
}

/// Says what is being done; standard output is kept for the tables.
fn note(text: &str) {
    eprintln!("bench: {text}");
}
