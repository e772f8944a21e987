//! Every metric of the platform.
//!
//! Names begin with `smartcourse_` and end with their base unit (`_seconds`, and `_total` for what only rises), as
//! [Prometheus recommends](https://prometheus.io/docs/practices/naming/). The values of a label are a set that the code bounds:
//! routes, codes, kinds, never ids. Besides these `/metrics` has what the process itself uses (`process_…`) and, of a worker,
//! the metrics of Temporal's SDK (`temporal_…`).

use crate::metric::{Counter, Declaration, Family, Gauge, Histogram, Kind, metrics};

/// Bounds of what answers a person, in seconds.
const ANSWERS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// Bounds of statements, in seconds.
const STATEMENTS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 20.0,
];
/// Bounds of work in the background, in seconds.
const WORK: &[f64] = &[
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0,
];

metrics! {
    /// What runs: always 1.
    BUILD_INFO: Gauge "build_info" [version, commit, role];

    /// Requests the gateway answered.
    HTTP_REQUESTS: Counter "http_requests_total" [method, route, status];
    /// Time until an answer of the gateway began.
    HTTP_SECONDS: Histogram "http_request_seconds" [method, route] in ANSWERS;
    /// Requests the gateway is answering.
    HTTP_IN_FLIGHT: Gauge "http_requests_in_flight" [];
    /// Problems the gateway answered with, by their code.
    PROBLEMS: Counter "problems_total" [code];
    /// Time of a call between services until its answer began, at the service that answered.
    GRPC_SECONDS: Histogram "grpc_call_seconds" [service, method, code] in ANSWERS;

    /// Time of a statement at the database, by what it does to which table.
    STATEMENT_SECONDS: Histogram "db_statement_seconds" [statement] in STATEMENTS;
    /// Time until a connection to the database was to be had.
    ACQUIRE_SECONDS: Histogram "db_acquire_seconds" [] in STATEMENTS;
    /// Connections of a pool, `used` or `idle`.
    CONNECTIONS: Gauge "db_connections" [pool, state];
    /// Connections a pool may have.
    CONNECTIONS_MAX: Gauge "db_connections_max" [pool];
    /// Connections of all clients at the database's server.
    SERVER_CONNECTIONS: Gauge "db_server_connections" [];
    /// Connections the database's server takes of clients that are no superusers.
    SERVER_CONNECTIONS_MAX: Gauge "db_server_connections_max" [];
    /// Transactions that have stood still for longer than any should.
    STANDING_STILL: Gauge "db_transactions_standing_still" [];

    /// Bytes a directory's disk still takes: `files`.
    DISK_AVAILABLE: Gauge "disk_available_bytes" [directory];
    /// Bytes a directory's disk has.
    DISK_SIZE: Gauge "disk_size_bytes" [directory];

    /// Whether a server that was named answers: 1, or 0.
    SERVER_UP: Gauge "server_up" [server];
    /// When the certificate that is shown to others ends, in seconds since 1970: `grpc`, `gateway`.
    CERTIFICATE_NOT_AFTER: Gauge "certificate_not_after_seconds" [certificate];
    /// What was asked of a cache, by its outcome: `hit`, `miss`.
    CACHE_READS: Counter "cache_reads_total" [cache, outcome];

    /// Events a consumer group was not given yet.
    EVENT_LAG: Gauge "event_lag" [group];
    /// Age of the oldest event a consumer group was not given yet; 0 when it has all.
    EVENT_AGE: Gauge "event_age_seconds" [group];
    /// Events that are parked for a consumer group.
    EVENTS_PARKED: Gauge "events_parked" [group];
    /// Events handled, by their outcome: `taken`, `parked`.
    EVENTS: Counter "events_total" [group, outcome];

    /// Rows that wait in the outbox: `commands`, `events`.
    OUTBOX_WAITING: Gauge "outbox_waiting" [kind];
    /// Age of the oldest row that waits in the outbox; 0 when none does.
    OUTBOX_AGE: Gauge "outbox_age_seconds" [kind];

    /// Background tasks that are due and wait.
    TASKS_WAITING: Gauge "tasks_waiting" [kind];
    /// Background tasks that were given up.
    TASKS_DEAD: Gauge "tasks_dead" [kind];
    /// Time of a try of a background task, by its outcome: `done`, `postponed`, `retrying`, `dead`, `lost`.
    TASK_SECONDS: Histogram "task_seconds" [kind, outcome] in WORK;

    /// Commands to workflows that were handed over, by their outcome: `ok`, `error`.
    WORKFLOW_COMMANDS: Counter "workflow_commands_total" [command, workflow, outcome];
    /// Publishes that ended: `published`, `failed`, `cancelled`.
    PUBLISHES: Counter "publishes_total" [outcome];
    /// Time of a step of a publish.
    PUBLISH_STEP_SECONDS: Histogram "publish_step_seconds" [step] in WORK;
    /// Time of a try of an activity, by its outcome: `ok`, `cancelled`, or the code of the error.
    ACTIVITY_SECONDS: Histogram "activity_seconds" [activity, outcome] in WORK;
    /// Rounds in which the reconciler has compared everything that is open with Temporal.
    RECONCILER_ROUNDS: Counter "reconciler_rounds_total" [];
    /// What the reconciler did about runs that are gone.
    RECONCILED: Counter "reconciled_total" [action];

    /// Time of a call to a model, by its outcome: `ok`, or the code of the error.
    MODEL_SECONDS: Histogram "model_seconds" [model, operation, outcome] in ANSWERS;
    /// Time until a model that writes began to.
    MODEL_FIRST_TOKEN_SECONDS: Histogram "model_first_token_seconds" [model] in ANSWERS;
    /// Tokens of models that write: `input`, `output`.
    MODEL_TOKENS: Counter "model_tokens_total" [model, kind];
    /// What models that write cost by the configured prices, in millionths of their currency.
    MODEL_COST: Counter "model_cost_millionths_total" [model];
    /// Statements that a model wrote: `supported` by the course, or `withheld`.
    ANSWER_STATEMENTS: Counter "answer_statements_total" [outcome];
    /// Time until a question was answered, by its outcome: `answered`, `not_found`, or the code of the error.
    ANSWER_SECONDS: Histogram "answer_seconds" [outcome] in ANSWERS;
    /// Batches of spans that were sent, by their outcome: `ok`, `error`.
    TRACE_EXPORTS: Counter "trace_exports_total" [outcome];
    /// Files and texts that are parsed, or wait for a child that parses them.
    PARSING: Gauge "parsing" [];
    /// Time of parsing one, with the wait for a child, by its outcome: `ok`, or the code of the error.
    PARSING_SECONDS: Histogram "parser_seconds" [outcome] in WORK;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The naming rule.
    #[test]
    fn every_name_has_the_prefix_and_its_unit() {
        for metric in ALL {
            let name = metric.name;
            assert!(name.starts_with("smartcourse_"), "{name}");
            assert_eq!(
                matches!(metric.kind, Kind::Counter),
                name.ends_with("_total"),
                "{name}"
            );
            assert!(
                !matches!(metric.kind, Kind::Histogram(_)) || name.ends_with("_seconds"),
                "{name}"
            );
            assert!(metric.help.ends_with('.') && !metric.help.is_empty(), "{name}");
            let same = ALL.iter().filter(|other| other.name == name).count();
            assert_eq!(same, 1, "{name}");
        }
    }
}
