//! `smartcourse doctor`: checks each dependency, says what is wrong and how to mend it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use smartcourse_engines::Engines;
use smartcourse_launcher::{
    DataDir, Progress, default_data_dir, ensure_all, find_fonts, find_model, find_postgres, find_temporal,
};
use smartcourse_platform::{
    Error,
    config::{self, Config},
    error::codes,
    postgres,
};

/// Arguments of `doctor`.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "DoctorArgs")]
pub(crate) struct Args {
    /// Where tools and data are kept.
    #[arg(long, env = "SMARTCOURSE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Install what is missing.
    #[arg(long)]
    fix: bool,
}

struct Report {
    bad: usize,
}

impl Report {
    fn line(&mut self, name: &str, outcome: Result<String, String>) -> Result<()> {
        let text = match outcome {
            Ok(found) => format!("ok    {name:<28} {found}\n"),
            Err(problem) => {
                self.bad += 1;
                format!("BAD   {name:<28} {problem}\n")
            }
        };
        crate::print(&text).map(drop)
    }
}

/// Checks everything; the exit code is 0 only if nothing is wrong.
pub(crate) async fn run(args: &Args, config: Config) -> Result<ExitCode> {
    let root = args.data_dir.clone().unwrap_or_else(default_data_dir);
    let data_dir = DataDir::open(&root)?;
    let (mut no_postgres, mut no_temporal) = (None, None);
    if args.fix {
        let installed = ensure_all(&data_dir, &Progress::auto()).await;
        no_postgres = installed.postgres.err().map(|error| error.to_string());
        no_temporal = installed.temporal.err().map(|error| error.to_string());
    }
    let mut report = Report { bad: 0 };
    let fix = "run `smartcourse doctor --fix`";
    report.line("data directory", Ok(root.display().to_string()))?;
    if config::is_given("DATABASE_URL") {
        database(&config, &mut report).await?;
    } else {
        let found = match find_postgres(&data_dir).await {
            Ok(Some(found)) => Ok(format!("version {} in {}", found.major, found.bin_dir.display())),
            Ok(None) => Err(no_postgres.unwrap_or_else(|| {
                format!("no initdb and postgres found: {fix}, or name a server in DATABASE_URL")
            })),
            Err(error) => Err(error.to_string()),
        };
        report.line("PostgreSQL binaries", found)?;
    }
    if config::is_given("TEMPORAL_ADDRESS") {
        temporal(&config, &mut report).await?;
    } else {
        let found = match find_temporal(&data_dir).await {
            Ok(Some(path)) => Ok(path.display().to_string()),
            Ok(None) => Err(no_temporal.unwrap_or_else(|| {
                format!("no `temporal` command found: {fix}, or name a server in TEMPORAL_ADDRESS")
            })),
            Err(error) => Err(error.to_string()),
        };
        report.line("Temporal command", found)?;
    }
    let model = find_model(&data_dir).await.map(|path| path.display().to_string());
    let without = || format!("no weights, so questions are matched by words only: {fix}");
    report.line("embedding model", model.ok_or_else(without))?;
    let fonts = find_fonts(&data_dir).map(|path| path.display().to_string());
    let without = || format!("no fonts but Latin, Greek, Cyrillic and Hebrew ones: {fix}");
    report.line("fonts of certificates", fonts.ok_or_else(without))?;
    match Engines::open(&config) {
        Ok(engines) => {
            let model = match engines.look_at_model().await {
                Ok(Some(found)) => Some(found),
                Ok(None) => {
                    report.line("model of answers", Ok("none: the course is quoted".to_owned()))?;
                    None
                }
                Err(error) => {
                    report.line("model of answers", Err(error.chain()))?;
                    None
                }
            };
            for found in engines.look().await.into_iter().chain(model) {
                let check =
                    |error: Error| format!("{}: check {} ({})", error.chain(), found.variable, found.address);
                report.line(found.server, found.outcome.map_err(check))?;
            }
        }
        Err(error) => report.line("servers", Err(error.chain()))?,
    }
    let sandbox = crate::services::sandbox()?;
    let tools = match sandbox.tools().names() {
        none if none.is_empty() => {
            "none: pictures and scans are not read, recordings need a transcript".to_owned()
        }
        names => names.join(", "),
    };
    report.line("programs for scans and recordings", Ok(tools))?;
    let transcriber = Engines::open(&config).and_then(|engines| engines.transcriber());
    let transcription = match transcriber {
        Ok(None) => Ok("none: recordings without subtitles need a transcript".to_owned()),
        Ok(Some(_)) if !sandbox.tools().names().contains(&"ffmpeg") => {
            Err("named, but without ffmpeg and ffprobe no recording is read: install them".to_owned())
        }
        Ok(Some(named)) => Ok(format!("{} is asked", named.model())),
        Err(error) => Err(error.chain()),
    };
    report.line("transcription of recordings", transcription)?;
    let confinement = sandbox.confinement().await;
    let confinement = confinement
        .map(|found| found.to_string())
        .map_err(|error| error.to_string());
    report.line("parsers' confinement", confinement)?;
    if report.bad == 0 {
        return crate::print("everything is in order\n");
    }
    crate::print(&format!("{} problems\n", report.bad))?;
    Ok(ExitCode::FAILURE)
}

/// A configured database: reachable and up to date.
async fn database(config: &Config, report: &mut Report) -> Result<()> {
    let pool = postgres::pool(&config.postgres, "doctor")?;
    if let Err(error) = postgres::is_ready(&pool).await {
        let problem = format!("{}: check DATABASE_URL and that the server runs", error.chain());
        return report.line("database", Err(problem));
    }
    report.line("database", Ok("answers".to_owned()))?;
    let direct = postgres::pool(&config.postgres.direct(), "doctor")?;
    let (taken, max) = match postgres::server_connections(&direct).await {
        Ok(counted) => counted,
        Err(error) => {
            let problem = format!("{}: check DATABASE_DIRECT_URL", error.chain());
            return report.line("database past a pooler", Err(problem));
        }
    };
    let connections = format!("{taken} of {max} in use");
    let enough = match taken * 10 > max * 9 {
        true => Err(format!(
            "{connections}: raise max_connections, or end what holds them"
        )),
        false => Ok(connections),
    };
    report.line("database connections", enough)?;
    for (schema, migrator) in crate::schemas::all() {
        let count = format!("select count(*) from \"{schema}\"._migrations where success");
        let applied = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(count))
            .fetch_one(&pool)
            .await;
        let wanted = migrator.iter().count() as i64;
        let outcome = match applied {
            Ok(applied) if applied >= wanted => Ok(format!("{applied} migrations")),
            _ => Err("not up to date: run `smartcourse migrate`".to_owned()),
        };
        report.line(&format!("schema {schema}"), outcome)?;
    }
    let lags = Engines::open(config)?.event_log().lags().await;
    let lags = lags.map(|lags| {
        let lags: Vec<String> = lags
            .iter()
            .map(|lag| format!("{} {}", lag.group, lag.events))
            .collect();
        format!("events they were not given yet: {}", lags.join(", "))
    });
    report.line("event groups", lags.map_err(|error| error.chain()))
}

/// A configured Temporal: reachable, with our search attributes.
async fn temporal(config: &Config, report: &mut Report) -> Result<()> {
    match Engines::open(config)?.workflows().missing_attributes().await {
        Err(error) => {
            let problem = match error.is(&codes::WORKFLOWS_REFUSED) {
                true => error.chain(),
                false => format!("{}: check TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE", error.chain()),
            };
            report.line("Temporal", Err(problem))
        }
        Ok(missing) => {
            report.line("Temporal", Ok(format!("answers at {}", config.temporal.address)))?;
            let outcome = if missing.is_empty() {
                Ok("registered".to_owned())
            } else {
                let missing = missing.join(", ");
                Err(format!("{missing} not registered: run `smartcourse migrate`"))
            };
            report.line("search attributes", outcome)
        }
    }
}
