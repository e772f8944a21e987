//! `smartcourse check`: whether the stores agree with each other.

pub(crate) mod named;
mod rows;
mod stores;

use std::{collections::BTreeSet, path::Path, process::ExitCode, time::Duration};

use anyhow::Result;
use serde::Serialize;
use smartcourse_engines::Engines;
use smartcourse_platform::{config::Config, postgres};
use sqlx::PgPool;

use crate::{config, telemetry};

/// Violations that are shown of each rule.
const SHOWN: usize = 3;
/// Pause before what does not agree is looked at again: while people work, one store is a moment behind the other.
const PAUSE: Duration = Duration::from_secs(3);

/// What was found of one rule.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Finding {
    rule: &'static str,
    /// How many it was asked of.
    checked: u64,
    /// Those of which it is not true.
    violations: Vec<String>,
}

impl Finding {
    fn told(&self) -> String {
        let (rule, checked, count) = (self.rule, self.checked, self.violations.len());
        if count == 0 {
            return format!("ok    {rule:<44} {checked}\n");
        }
        let shown = self.violations[..count.min(SHOWN)].join(", ");
        let more = if count > SHOWN { ", …" } else { "" };
        format!("BAD   {rule:<44} {count} of {checked}: {shown}{more}\n")
    }
}

/// Looks, and says what it found; the exit code is 0 only if all agree.
pub(crate) async fn run(json: bool, file: Option<&Path>) -> Result<ExitCode> {
    let here = config::load(file, &[])?;
    let _sending = telemetry::init(&here.telemetry, "command")?;
    report(&agree(&here).await?, json)
}

/// Says what was found, a line for each rule or as JSON.
pub(crate) fn report(findings: &[Finding], json: bool) -> Result<ExitCode> {
    let (code, end) = match findings.iter().all(|finding| finding.violations.is_empty()) {
        true => (ExitCode::SUCCESS, "all stores agree"),
        false => (ExitCode::FAILURE, "the stores do not agree"),
    };
    let lines = match json {
        true => serde_json::to_string_pretty(findings)?,
        false => findings.iter().map(Finding::told).collect::<String>() + end,
    };
    crate::print(&format!("{lines}\n"))?;
    Ok(code)
}

/// Asks every rule. What violates one is asked again a moment later, and counts when it does so still.
pub(crate) async fn agree(here: &Config) -> Result<Vec<Finding>> {
    let pool = postgres::pool(&here.postgres.unhurried(), "check")?;
    let engines = Engines::open(here)?;
    let mut findings = look(here, &pool, &engines).await?;
    if findings.iter().any(|finding| !finding.violations.is_empty()) {
        tokio::time::sleep(PAUSE).await;
        for (finding, again) in findings.iter_mut().zip(look(here, &pool, &engines).await?) {
            let still: BTreeSet<String> = again.violations.into_iter().collect();
            finding.violations.retain(|violation| still.contains(violation));
        }
    }
    Ok(findings)
}

async fn look(here: &Config, pool: &PgPool, engines: &Engines) -> Result<Vec<Finding>> {
    let mut rows = postgres::snapshot(pool).await?;
    let mut findings = rows::look(&mut rows).await?;
    findings.extend(stores::look(&mut rows, here, engines).await?);
    Ok(findings)
}
