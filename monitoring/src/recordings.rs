//! What is computed once for alerts and dashboards.

use smartcourse_telemetry::catalogue::{HTTP_REQUESTS, STATEMENT_SECONDS};

use crate::{
    foreign::{ACTIVITY_TASK_WAIT, RUNS_COMPLETED, RUNS_FAILED, WORKFLOW_TASK_WAIT},
    pace::Pace,
};

/// Share of requests that were answered with 5xx.
pub(crate) const ERROR_RATIO: &str = "smartcourse:http_errors:ratio";
/// Time that 95 % of a statement's executions stay below.
pub(crate) const STATEMENT_P95: &str = "smartcourse:db_statement_seconds:p95";
/// Share of the runs of a type that failed.
pub(crate) const FAILED_RATIO: &str = "smartcourse:workflow_failures:ratio";
/// Time that 95 % of the tasks of a kind wait less for a worker.
pub(crate) const TASK_WAIT_P95: &str = "smartcourse:temporal_task_wait_seconds:p95";

/// A recording rule.
pub(crate) struct Recording {
    pub(crate) record: &'static str,
    pub(crate) labels: &'static [(&'static str, &'static str)],
    pub(crate) expr: String,
}

/// All of them.
pub(crate) fn recordings(pace: Pace) -> Vec<Recording> {
    let (five, fifteen) = (pace.seconds(300), pace.seconds(900));
    let p95 = |by: &str, histogram: &str| {
        format!("histogram_quantile(0.95, sum by ({by}le) (rate({histogram}_bucket[{five}])))")
    };
    let ended = |metric: &str| format!("sum by (workflow_type) (rate({metric}[{fifteen}]))");
    let (completed, failed) = (ended(RUNS_COMPLETED), ended(RUNS_FAILED));
    let recording = |record, labels, expr| Recording { record, labels, expr };
    vec![
        recording(
            ERROR_RATIO,
            &[],
            format!(
                "(sum(rate({HTTP_REQUESTS}{{status=~\"5..\"}}[{five}])) or vector(0)) / sum(rate({HTTP_REQUESTS}[{five}]))"
            ),
        ),
        recording(
            STATEMENT_P95,
            &[],
            p95("statement, ", &STATEMENT_SECONDS.to_string()),
        ),
        recording(FAILED_RATIO, &[], format!("{failed} / ({failed} + {completed})")),
        recording(
            TASK_WAIT_P95,
            &[("task", "workflow")],
            p95("", WORKFLOW_TASK_WAIT),
        ),
        recording(
            TASK_WAIT_P95,
            &[("task", "activity")],
            p95("", ACTIVITY_TASK_WAIT),
        ),
    ]
}
