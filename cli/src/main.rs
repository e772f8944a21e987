//! The `smartcourse` executable: every role of the system under one name.

mod backlog;
mod backup;
mod callers;
mod check;
mod codec_server;
mod compose;
mod config;
mod demo;
mod doctor;
mod engines;
mod errors;
mod fetch;
mod health;
mod like;
mod migrate;
mod private;
mod roles;
mod schemas;
mod servers;
mod services;
mod stack;
mod telemetry;
mod watch;

use std::{ffi::OsString, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use smartcourse_engines::Engines;
use smartcourse_platform::{config::Config, postgres, server};

/// How long what runs aside may take to end once everything else has.
const GOODBYE: Duration = Duration::from_secs(1);

/// SmartCourse: a learning platform whose every multi-step action is a durable workflow.
#[derive(Parser)]
#[command(name = "smartcourse", version = env!("SMARTCOURSE_VERSION"), about)]
struct Cli {
    /// Settings that differ from the defaults (see `config print --defaults`).
    #[arg(long, global = true, env = "SMARTCOURSE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up this machine, publish the sample course, ask it three questions, keep serving.
    Demo(demo::Args),
    /// Run everything on this machine until Ctrl-C.
    Up(stack::Args),
    /// Run services.
    Serve {
        /// Only these: gateway,user,course,content,assistant,enrollment,progress,notification,analytics,operations.
        #[arg(long, value_delimiter = ',')]
        only: Vec<services::Name>,
    },
    /// Run workflows and activities.
    Worker,
    /// Hand over what the outbox holds; reconcile open attempts.
    Relay,
    /// Run background tasks: mails, text and push messages, reports, removal of files.
    Tasks,
    /// Show encrypted payloads to Temporal's web interface.
    CodecServer,
    /// Bring the database up to date and register search attributes.
    Migrate,
    /// Check every dependency and say how to mend what is wrong.
    Doctor(doctor::Args),
    /// Ask the process beside this one whether it is ready; the exit code says it.
    Health(health::Args),
    /// Fetch the embedding model and the fonts of certificates.
    Fetch(fetch::Args),
    /// Real servers on this machine, in place of what is built in.
    #[command(subcommand)]
    Stack(servers::Command),
    /// Move what is kept to another engine, or make what is searched again.
    #[command(subcommand)]
    Engines(engines::Command),
    /// Back up everything the platform keeps, while it serves.
    Backup {
        /// The directory of all back-ups: this one becomes a directory of its own below it, named by its time.
        directory: PathBuf,
    },
    /// Restore a back-up into an empty place.
    Restore {
        /// The directory of one back-up.
        directory: PathBuf,
        /// Bring the documents and files that the rows of the database name: PostgreSQL's own means have put them back.
        #[arg(long)]
        beside_rows: bool,
    },
    /// Compare all stores with each other.
    Check {
        /// Print JSON, with every violation.
        #[arg(long)]
        json: bool,
    },
    /// Administration.
    #[command(subcommand)]
    Admin(Admin),
    /// The numbers.
    #[command(subcommand)]
    Analytics(Analytics),
    /// Configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Parse one untrusted file under limits; run by the content service.
    #[command(hide = true)]
    ExtractChild {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<OsString>,
    },
}

impl Command {
    /// As what a process of this command is known in metrics and traces.
    fn role(&self) -> &'static str {
        match self {
            Self::Serve { .. } => "serve",
            Self::Worker => "worker",
            Self::Relay => "relay",
            Self::Tasks => "tasks",
            _ => "command",
        }
    }
}

#[derive(Subcommand)]
enum Admin {
    /// Make the account with this e-mail address an administrator.
    Grant { email: String },
}

#[derive(Subcommand)]
enum Analytics {
    /// Count the whole event log again and say whether the numbers were right.
    Rebuild,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Show the configuration in force.
    Print {
        /// Show the documented defaults instead.
        #[arg(long)]
        defaults: bool,
    },
    /// Say everything that is wrong with the configuration.
    Check,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The parser's child limits its own memory and processor time; it must come before any runtime.
    if let Command::ExtractChild { args } = cli.command {
        return smartcourse_text::child_main(args);
    }
    // Mails, uploads, logs and addresses are for the user this runs as and nobody else. What another user must read, such as
    // PostgreSQL under root, is given to them explicitly.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    if let Err(error) = server::raise_descriptors() {
        eprintln!("smartcourse: the limit of open files stays as it is: {error}");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("smartcourse: no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(cli)).unwrap_or_else(|error| {
        eprintln!("smartcourse: {error:#}");
        ExitCode::FAILURE
    });
    // The client of a server that is gone may take as long as it likes to say goodbye.
    runtime.shutdown_timeout(GOODBYE);
    code
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let file = cli.config.clone();
    let role = cli.command.role();
    // Sends what is left of traces at the end.
    let mut sending = None;
    let mut load = || -> Result<Config> {
        let config = config::load(file.as_deref(), &[])?;
        sending = Some(telemetry::init(&config.telemetry, role)?);
        Ok(config)
    };
    match cli.command {
        Command::Demo(args) => demo::run(args, cli.config).await,
        Command::Up(args) => stack::up(args, cli.config).await.map(|()| ExitCode::SUCCESS),
        Command::Serve { only } => roles::serve(load()?, &only).await,
        Command::Worker => roles::worker(load()?).await,
        Command::Relay => roles::relay(load()?).await,
        Command::Tasks => roles::tasks(load()?).await,
        Command::CodecServer => codec_server::run(load()?).await,
        Command::Migrate => migrate::run(&load()?).await.map(|()| ExitCode::SUCCESS),
        Command::Health(args) => health::run(&args, &config::load(file.as_deref(), &[])?).await,
        Command::Fetch(args) => fetch::run(&args).await,
        Command::Doctor(args) => doctor::run(&args, config::load(file.as_deref(), &[])?).await,
        Command::Stack(command) => {
            let code = servers::run(&command).await?;
            match command.like() {
                Some((servers::Like::Compose, args)) => like::run(args).await,
                None => Ok(code),
            }
        }
        Command::Engines(command) => engines::run(&command, file.as_deref()).await,
        Command::Backup { directory } => backup::make(&directory, file.as_deref()).await,
        Command::Restore {
            directory,
            beside_rows,
        } => backup::restore(&directory, beside_rows, file.as_deref()).await,
        Command::Check { json } => check::run(json, file.as_deref()).await,
        Command::Admin(Admin::Grant { email }) => grant(&load()?, &email).await,
        Command::Analytics(Analytics::Rebuild) => rebuild(&load()?).await,
        Command::Config(ConfigCommand::Print { defaults: true }) => {
            print(&Config::defaults(&config::declared()))
        }
        Command::Config(ConfigCommand::Print { defaults: false }) => {
            print(&load()?.show(&config::declared())?)
        }
        Command::Config(ConfigCommand::Check) => {
            config::load(file.as_deref(), &[])?;
            print("the configuration is valid\n")
        }
        Command::ExtractChild { .. } => Ok(ExitCode::FAILURE),
    }
}

/// Writes to standard output, where the answer of a command belongs.
#[expect(
    clippy::print_stdout,
    reason = "the one place that answers on standard output"
)]
fn print(text: &str) -> Result<ExitCode> {
    print!("{text}");
    Ok(ExitCode::SUCCESS)
}

async fn grant(config: &Config, email: &str) -> Result<ExitCode> {
    let pool = postgres::pool(&config.postgres, "admin")?;
    let user = smartcourse_user::grant_admin(&pool, email)
        .await
        .with_context(|| format!("cannot make {email} an administrator"))?;
    print(&format!(
        "{} (user {}) is an administrator; earlier sign-ins of this account have ended\n",
        user.email, user.id
    ))
}

async fn rebuild(config: &Config) -> Result<ExitCode> {
    let pool = postgres::pool(&config.postgres.unhurried(), "analytics-rebuild")?;
    let engines = Engines::open(config)?;
    let begun = std::time::Instant::now();
    let rebuilt = smartcourse_analytics::rebuild(&pool, engines.event_history()?.as_ref())
        .await
        .context("the numbers could not be counted again; nothing was changed")?;
    let seconds = begun.elapsed().as_secs_f64();
    print(&format!(
        "counted {} events again in {seconds:.1} s ({:.0} events/s); the counter waited {:.2} s\n",
        rebuilt.events,
        rebuilt.events as f64 / seconds.max(0.001),
        rebuilt.held.as_secs_f64()
    ))?;
    if rebuilt.differing.is_empty() {
        return print("the numbers were right, to the digit\n");
    }
    print(&format!(
        "the numbers were wrong and are right now; these tables differed: {}\n",
        rebuilt.differing.join(", ")
    ))?;
    Ok(ExitCode::FAILURE)
}
