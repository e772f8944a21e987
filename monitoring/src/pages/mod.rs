//! The dashboards: one to open first, and one for each part.

mod serving;
mod stores;
mod work;

use std::fmt::Display;

use smartcourse_telemetry::catalogue::{EVENT_LAG, HTTP_REQUESTS, HTTP_SECONDS, OUTBOX_AGE};

use crate::{
    dashboard::{Dashboard, Panel},
    foreign::{ALERTS, ALERTS_SINCE, UP},
    recordings::{ERROR_RATIO, FAILED_RATIO, STATEMENT_P95},
};

type Links = &'static [(&'static str, &'static str)];

/// From a route to its traces in Jaeger, where `docker-compose.yml` has it; from there to the run in Temporal and the log lines
/// (`deploy/jaeger/ui.json`).
const ROUTE_TRACES: Links = &[(
    "Traces of this route",
    "http://localhost:16686/search?service=smartcourse-serve&operation=${__field.labels.method}%20${__field.labels.route}\
     &lookback=custom&start=${__from}000&end=${__to}000&limit=20",
)];
const STATEMENT_TRACES: Links = &[(
    "Traces with this statement",
    "http://localhost:16686/search?service=smartcourse-serve&operation=${__field.labels.statement}\
     &lookback=custom&start=${__from}000&end=${__to}000&limit=20",
)];
const RUNS: Links = &[
    (
        "Traces of these runs",
        "http://localhost:16686/search?service=smartcourse-worker&operation=RunWorkflow:${__field.labels.workflow_type}\
         &lookback=custom&start=${__from}000&end=${__to}000&limit=20",
    ),
    (
        "These runs in Temporal",
        "http://localhost:8233/namespaces/default/workflows?query=WorkflowType%3D%22${__field.labels.workflow_type}%22",
    ),
];
const ALERT: Links = &[("What to do", "/d/runbook-${__field.labels.alertname}")];

fn rate(metric: impl Display) -> String {
    format!("rate({metric}[$__rate_interval])")
}

fn by(labels: &str, metric: impl Display) -> String {
    format!("sum by ({labels}) ({})", rate(metric))
}

/// What this share of the observations stays below, by these labels.
fn quantile(share: f64, labels: &str, histogram: impl Display) -> String {
    let all = [labels, "le"].into_iter().filter(|label| !label.is_empty());
    let all = all.collect::<Vec<_>>().join(", ");
    format!(
        "histogram_quantile({share}, {})",
        by(&all, format!("{histogram}_bucket"))
    )
}

/// Of those that share a gauge, such as two relays, both say the same.
fn max(labels: &str, metric: impl Display) -> String {
    format!("max by ({labels}) ({metric})")
}

/// All of them.
#[must_use]
pub fn dashboards() -> Vec<Dashboard> {
    vec![
        Dashboard::new("smartcourse", "SmartCourse", on_call()),
        Dashboard::new("smartcourse-services", "Services", serving::services()),
        Dashboard::new("smartcourse-api", "API", serving::api()),
        Dashboard::new("smartcourse-workflows", "Workflows", work::workflows()),
        Dashboard::new("smartcourse-events", "Events and tasks", work::events()),
        Dashboard::new("smartcourse-stores", "Data stores", stores::stores()),
        Dashboard::new("smartcourse-assistant", "Assistant", serving::assistant()),
        Dashboard::new("smartcourse-temporal", "Temporal", work::temporal()),
        Dashboard::new("smartcourse-trace", "A trace", a_trace()).asking_for("trace"),
    ]
}

fn on_call() -> Vec<Panel> {
    vec![
        Panel::list(
            "What is wrong, since when",
            "dateTimeFromNow",
            format!("{ALERTS_SINCE} * 1000 and ignoring (alertstate) {ALERTS}{{alertstate=\"firing\"}}"),
            "{{alertname}} {{group}}{{statement}}{{workflow_type}}{{kind}}{{task}}{{server}}{{directory}}{{instance}}",
        )
        .leads(ALERT),
        Panel::number("Requests that fail", "percentunit", ERROR_RATIO.to_owned()),
        Panel::number("95 % are answered within", "s", quantile(0.95, "", &HTTP_SECONDS)),
        Panel::number("Requests", "reqps", format!("sum({})", rate(&HTTP_REQUESTS))),
        Panel::number("Processes that do not answer", "short", format!("count({UP} == 0) or vector(0)")),
        Panel::graph("Requests, by status", "reqps", by("status", &HTTP_REQUESTS), "{{status}}"),
        Panel::graph("Runs that fail, by type", "percentunit", FAILED_RATIO.to_owned(), "{{workflow_type}}").leads(RUNS),
        Panel::graph("Events a group is behind", "short", max("group", &EVENT_LAG), "{{group}}"),
        Panel::graph("Slowest statements: 95 % take up to", "s", format!("topk(5, {STATEMENT_P95})"), "{{statement}}")
            .leads(STATEMENT_TRACES),
        Panel::graph(
            "Slowest routes: 95 % are answered within",
            "s",
            format!("topk(5, {})", quantile(0.95, "method, route", &HTTP_SECONDS)),
            "{{method}} {{route}}",
        )
        .leads(ROUTE_TRACES),
        Panel::graph("Age of the oldest in the outbox", "s", max("kind", &OUTBOX_AGE), "{{kind}}"),
    ]
}

/// Where a trace in Jaeger leads to its log lines: nothing keeps them but the container engine.
fn a_trace() -> Vec<Panel> {
    vec![Panel::text(
        "The log lines of trace `${trace}`, of all containers, where `docker-compose.yml` is:\n\n\
         ```\ndocker compose logs --no-log-prefix --timestamps | grep ${trace} | sort\n```\n\n\
         Its spans: [Jaeger](http://localhost:16686/trace/${trace}). Each span of a workflow or an activity there leads to the run in Temporal.\n"
            .to_owned(),
    )]
}
