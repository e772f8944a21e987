//! What is watched of the platform: recording rules, alerts with the cases they are tried with, and dashboards.
//!
//! All of it is made from lists in Rust, which name the metrics of the platform by the constants of
//! [`smartcourse_telemetry::catalogue`] and those of others by [`foreign`]: one that is renamed or gone does not compile. What is
//! made is recorded below `deploy/` ([`deployed`]), and a test fails when a file there is not what is made here.
//!
//! To add an alert: an entry in `alerts.rs` with its case, and its page `docs/runbook/<name>.md`. To add a graph: an entry in
//! `pages/`.

mod alerts;
mod case;
mod dashboard;
pub mod foreign;
mod pace;
mod pages;
mod prometheus;
mod recordings;
mod rules;

pub use alerts::{Alert, Severity, alerts};
pub use dashboard::{Dashboard, Panel};
pub use pace::Pace;
pub use pages::dashboards;
pub use prometheus::{Watched, prometheus};
pub use rules::{cases, rules};

/// Every file of a deployment that is made here: its path, and what is in it. `runbook` has the text of an alert's page, by its name.
///
/// # Errors
/// Those of `runbook`.
pub fn deployed<E>(runbook: impl Fn(&str) -> Result<String, E>) -> Result<Vec<(String, String)>, E> {
    let mut files = vec![
        (
            "deploy/prometheus/prometheus.yml".to_owned(),
            prometheus::deployed(),
        ),
        ("deploy/prometheus/rules.yml".to_owned(), rules(Pace::REAL)),
    ];
    let mut boards = dashboards();
    for alert in alerts(Pace::REAL) {
        boards.push(Dashboard::runbook(alert.name, &runbook(alert.name)?));
    }
    for board in boards {
        let path = format!("deploy/grafana/dashboards/{}.json", board.uid);
        files.push((path, board.json()));
    }
    Ok(files)
}
