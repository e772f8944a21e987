//! The configuration of Prometheus.

use std::fmt::Write as _;

use crate::{pace::Pace, rules::MADE};

/// Where people of a deployment by containers see dashboards.
const GRAFANA: &str = "http://localhost:3000";

/// A process that is scraped.
#[derive(Debug, Clone)]
pub struct Watched {
    /// `smartcourse`, or the server it is of.
    pub job: &'static str,
    /// What it is called in dashboards and alerts.
    pub instance: String,
    /// `host:port`.
    pub address: String,
}

/// What Prometheus reads: whom it scrapes, which rules it has and where alerts go.
#[must_use]
pub fn prometheus(pace: Pace, watched: &[Watched], rules: &str, alertmanager: &str) -> String {
    let interval = pace.seconds(15);
    let mut text = format!(
        "{MADE}global:\n  scrape_interval: {interval}\n  scrape_timeout: {}\n  evaluation_interval: {interval}\n  \
         # Where Grafana is for people: alerts link to it.\n  \
         external_labels: {{ grafana: {GRAFANA:?} }}\n\nrule_files: [{rules:?}]\n\n\
         alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: [{alertmanager:?}]\n\nscrape_configs:\n",
        pace.seconds(10)
    );
    let mut job = "";
    for one in watched {
        // Writing to a string does not fail.
        if job != one.job {
            job = one.job;
            let _ = writeln!(text, "  - job_name: {job}\n    static_configs:");
        }
        let _ = writeln!(
            text,
            "      - {{ targets: [{:?}], labels: {{ instance: {:?} }} }}",
            one.address, one.instance
        );
    }
    text
}

/// That of `docker-compose.yml`.
pub(crate) fn deployed() -> String {
    let roles = [
        "user",
        "course",
        "content",
        "assistant",
        "enrollment",
        "progress",
        "notification",
        "analytics",
        "operations",
        "gateway",
        "worker",
        "relay",
        "tasks",
    ];
    let of = |job, name: &str, port: u16| Watched {
        job,
        instance: name.to_owned(),
        address: format!("{name}:{port}"),
    };
    let mut watched: Vec<Watched> = roles.iter().map(|role| of("smartcourse", role, 9464)).collect();
    watched.push(of("temporal", "temporal", 9090));
    prometheus(
        Pace::REAL,
        &watched,
        "/etc/prometheus/rules.yml",
        "alertmanager:9093",
    )
}
