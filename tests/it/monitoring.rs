//! What is watched: the files of a deployment are those that are made, Prometheus takes them, each alert does what it says, and has a
//! page that says what to do.

use std::{collections::BTreeSet, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use smartcourse_monitoring::{Pace, alerts, cases, dashboards, deployed, rules};
use smartcourse_telemetry::catalogue;
use smartcourse_tests::prometheus_binaries;
use tempfile::TempDir;

use crate::root;

const DASHBOARDS: &str = "deploy/grafana/dashboards";

fn page(alert: &str) -> Result<String> {
    let path = format!("docs/runbook/{alert}.md");
    std::fs::read_to_string(root().join(&path)).with_context(|| format!("{path}: what is to be done"))
}

/// `SMARTCOURSE_RECORD=1` writes them anew.
#[test]
fn the_files_of_a_deployment_are_those_that_are_made() -> Result<()> {
    let made = deployed(page)?;
    if std::env::var_os("SMARTCOURSE_RECORD").is_some() {
        std::fs::create_dir_all(root().join(DASHBOARDS))?;
        for (path, text) in &made {
            std::fs::write(root().join(path), text)?;
        }
    }
    let mut boards = BTreeSet::new();
    for (path, text) in &made {
        let there = std::fs::read_to_string(root().join(path)).with_context(|| path.clone())?;
        let is_same = match path.strip_prefix("deploy/grafana/dashboards/") {
            // The order of keys says nothing.
            Some(name) => {
                boards.insert(name.to_owned());
                serde_json::from_str::<Value>(&there)? == serde_json::from_str::<Value>(text)?
            }
            None => there == *text,
        };
        ensure!(
            is_same,
            "{path} is not what is made: run with SMARTCOURSE_RECORD=1"
        );
    }
    for entry in std::fs::read_dir(root().join(DASHBOARDS))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(boards.contains(&name), "nobody makes {DASHBOARDS}/{name}");
    }
    Ok(())
}

#[test]
fn each_alert_has_its_page_and_each_page_its_alert() -> Result<()> {
    let alerts = alerts(Pace::REAL);
    let names: BTreeSet<&str> = alerts.iter().map(|alert| alert.name).collect();
    ensure!(names.len() == alerts.len(), "two alerts share a name: {names:?}");
    let index = page("README")?;
    for name in &names {
        let page = page(name)?;
        for part in [
            &format!("# {name}\n"),
            "\n## What it means\n",
            "\n## Look\n",
            "\n## Do\n",
            "\n## Over\n",
        ] {
            ensure!(page.contains(part), "docs/runbook/{name}.md has no{part}");
        }
        ensure!(
            index.contains(&format!("({name}.md)")),
            "docs/runbook/README.md does not list {name}"
        );
    }
    for entry in std::fs::read_dir(root().join("docs/runbook"))? {
        let file = entry?.file_name().to_string_lossy().into_owned();
        let name = file.trim_end_matches(".md");
        ensure!(
            name == "README" || names.contains(name),
            "docs/runbook/{file} is of no alert"
        );
    }
    Ok(())
}

/// Runs a program of Prometheus; what it says is in the error.
fn succeeds(program: &Path, args: &[&str], dir: &Path) -> Result<()> {
    let output = Command::new(program).args(args).current_dir(dir).output()?;
    let told = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&told)
    );
    Ok(())
}

/// Silent while all is well and for as long as it waits, then firing with what it says, then silent again.
#[tokio::test]
async fn each_alert_fires_on_its_case_alone() -> Result<()> {
    let programs = prometheus_binaries().await?;
    let dir = TempDir::new()?;
    std::fs::write(dir.path().join("rules.yml"), rules(Pace::REAL))?;
    std::fs::write(dir.path().join("cases.yml"), cases("rules.yml"))?;
    succeeds(&programs.promtool, &["check", "rules", "rules.yml"], dir.path())?;
    succeeds(&programs.promtool, &["test", "rules", "cases.yml"], dir.path())
}

#[tokio::test]
async fn prometheus_takes_the_query_of_each_panel() -> Result<()> {
    let programs = prometheus_binaries().await?;
    let dir = TempDir::new()?;
    let mut text = "groups:\n  - name: panels\n    rules:\n".to_owned();
    let boards = dashboards();
    let panels = boards.iter().flat_map(|board| &board.panels);
    for (at, (query, _)) in panels.flat_map(|panel| &panel.queries).enumerate() {
        let query = query.replace("$__rate_interval", "5m");
        text += &format!("      - record: panel_{at}\n        expr: >-\n          {query}\n");
    }
    std::fs::write(dir.path().join("panels.yml"), text)?;
    succeeds(&programs.promtool, &["check", "rules", "panels.yml"], dir.path())
}

/// Where people go from a graph is a page of a container.
#[test]
fn links_lead_to_ports_that_are_published() -> Result<()> {
    let compose = std::fs::read_to_string(root().join("docker-compose.yml"))?;
    let mut links = std::fs::read_to_string(root().join("deploy/jaeger/ui.json"))?;
    serde_json::from_str::<Value>(&links)?;
    for (_, text) in deployed(page)? {
        links += &text;
    }
    let ports: BTreeSet<&str> = links
        .split("http://localhost:")
        .skip(1)
        .filter_map(|rest| rest.split(|letter: char| !letter.is_ascii_digit()).next())
        .collect();
    ensure!(ports.len() == 3, "{ports:?}");
    for port in ports {
        ensure!(
            compose.contains(&format!("\"127.0.0.1:{port}:")),
            "nobody publishes {port}"
        );
    }
    Ok(())
}

/// What a document calls a metric is one.
#[test]
fn documents_name_metrics_that_are_emitted() -> Result<()> {
    let mut pages = vec![root().join("README.md"), root().join("CHANGELOG.md")];
    for directory in ["docs", "docs/runbook"] {
        for entry in std::fs::read_dir(root().join(directory))? {
            pages.push(entry?.path());
        }
    }
    let mut known = 0;
    for page in pages
        .iter()
        .filter(|page| page.extension().is_some_and(|end| end == "md"))
    {
        let text = std::fs::read_to_string(page)?;
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let units = ["_total", "_seconds", "_bytes"];
        let metrics = words
            .filter(|word| word.starts_with("smartcourse_") && units.iter().any(|unit| word.ends_with(unit)));
        for name in metrics {
            let is_one = catalogue::ALL.iter().any(|metric| metric.name == name);
            ensure!(is_one, "{} names {name}, which is no metric", page.display());
            known += 1;
        }
    }
    ensure!(known > 0, "no document names one");
    Ok(())
}
