//! Dashboards of what is done in the background: workflows, events and tasks, Temporal.

use smartcourse_telemetry::catalogue::{
    ACTIVITY_SECONDS, EVENT_AGE, EVENT_LAG, EVENTS, EVENTS_PARKED, OUTBOX_AGE, OUTBOX_WAITING,
    PUBLISH_STEP_SECONDS, PUBLISHES, RECONCILED, RECONCILER_ROUNDS, TASK_SECONDS, TASKS_DEAD, TASKS_WAITING,
    WORKFLOW_COMMANDS,
};

use super::{RUNS, by, max, quantile, rate};
use crate::{
    dashboard::Panel,
    foreign::{
        PERSISTENCE_REQUESTS, PERSISTENCE_SECONDS, POLLERS, POLLS_EMPTY, POLLS_WITH_TASK, RUN_SECONDS,
        RUNS_CANCELED, RUNS_COMPLETED, RUNS_FAILED, SERVER_ERRORS, SERVER_REQUESTS, SERVER_SECONDS,
        SLOTS_AVAILABLE, SLOTS_USED, STICKY_HITS, WORKFLOW_TASKS_FAILED,
    },
    recordings::TASK_WAIT_P95,
};

pub(super) fn workflows() -> Vec<Panel> {
    vec![
        Panel::graph(
            "Runs that ended",
            "ops",
            by("workflow_type", RUNS_COMPLETED),
            "{{workflow_type}} completed",
        )
        .and(by("workflow_type", RUNS_FAILED), "{{workflow_type}} failed")
        .and(by("workflow_type", RUNS_CANCELED), "{{workflow_type}} cancelled")
        .leads(RUNS),
        Panel::graph(
            "95 % of the runs took up to",
            "s",
            quantile(0.95, "workflow_type", RUN_SECONDS),
            "{{workflow_type}}",
        )
        .leads(RUNS),
        Panel::graph(
            "Publishes that ended",
            "ops",
            by("outcome", &PUBLISHES),
            "{{outcome}}",
        ),
        Panel::graph(
            "95 % of a publish's step took up to",
            "s",
            quantile(0.95, "step", &PUBLISH_STEP_SECONDS),
            "step {{step}}",
        ),
        Panel::graph(
            "95 % of the tries of an activity took up to",
            "s",
            quantile(0.95, "activity", &ACTIVITY_SECONDS),
            "{{activity}}",
        ),
        Panel::graph(
            "Tries of activities that failed",
            "ops",
            by(
                "activity, outcome",
                format!("{ACTIVITY_SECONDS}_count{{outcome!=\"ok\"}}"),
            ),
            "{{activity}} {{outcome}}",
        ),
        Panel::graph(
            "Commands handed over to Temporal",
            "ops",
            by("workflow, command, outcome", &WORKFLOW_COMMANDS),
            "{{command}} {{workflow}} {{outcome}}",
        ),
        Panel::graph(
            "Rounds of the reconciler",
            "ops",
            format!("sum({})", rate(&RECONCILER_ROUNDS)),
            "rounds",
        )
        .and(by("action", &RECONCILED), "{{action}}"),
    ]
}

pub(super) fn events() -> Vec<Panel> {
    vec![
        Panel::graph(
            "Events a group is behind",
            "short",
            max("group", &EVENT_LAG),
            "{{group}}",
        ),
        Panel::graph(
            "Age of the oldest event a group was not given",
            "s",
            max("group", &EVENT_AGE),
            "{{group}}",
        ),
        Panel::graph(
            "Events handled",
            "ops",
            by("group, outcome", &EVENTS),
            "{{group}} {{outcome}}",
        ),
        Panel::graph(
            "Events that are parked",
            "short",
            max("group", &EVENTS_PARKED),
            "{{group}}",
        ),
        Panel::graph(
            "Rows that wait in the outbox",
            "short",
            max("kind", &OUTBOX_WAITING),
            "{{kind}}",
        ),
        Panel::graph(
            "Age of the oldest in the outbox",
            "s",
            max("kind", &OUTBOX_AGE),
            "{{kind}}",
        ),
        Panel::graph(
            "Tasks that wait",
            "short",
            max("kind", &TASKS_WAITING),
            "{{kind}}",
        ),
        Panel::graph(
            "Tasks that were given up",
            "short",
            max("kind", &TASKS_DEAD),
            "{{kind}}",
        ),
        Panel::graph(
            "Tries of tasks",
            "ops",
            by("kind, outcome", format!("{TASK_SECONDS}_count")),
            "{{kind}} {{outcome}}",
        ),
        Panel::graph(
            "95 % of the tries of a task took up to",
            "s",
            quantile(0.95, "kind", &TASK_SECONDS),
            "{{kind}}",
        ),
    ]
}

pub(super) fn temporal() -> Vec<Panel> {
    vec![
        Panel::graph(
            "95 % of the tasks wait for a worker for up to",
            "s",
            TASK_WAIT_P95.to_owned(),
            "{{task}}",
        ),
        Panel::graph(
            "Polls for workflow tasks",
            "ops",
            by("instance", POLLS_WITH_TASK),
            "{{instance}} with a task",
        )
        .and(by("instance", POLLS_EMPTY), "{{instance}} without"),
        Panel::graph(
            "Polls that are open",
            "short",
            format!("sum by (instance, poller_type) ({POLLERS})"),
            "{{instance}} {{poller_type}}",
        ),
        Panel::graph(
            "Places for tasks that are taken",
            "percentunit",
            format!("{SLOTS_USED} / ({SLOTS_USED} + {SLOTS_AVAILABLE})"),
            "{{instance}} {{worker_type}}",
        ),
        Panel::graph(
            "Workflow tasks whose run was in memory",
            "ops",
            by("workflow_type", STICKY_HITS),
            "{{workflow_type}}",
        ),
        Panel::graph(
            "Workflow tasks that failed",
            "ops",
            by("workflow_type, failure_reason", WORKFLOW_TASKS_FAILED),
            "{{workflow_type}} {{failure_reason}}",
        )
        .leads(RUNS),
        Panel::graph(
            "Server: requests",
            "reqps",
            by("service_name, operation", SERVER_REQUESTS),
            "{{service_name}} {{operation}}",
        ),
        Panel::graph(
            "Server: requests that fail",
            "reqps",
            by("service_name, operation, error_type", SERVER_ERRORS),
            "{{service_name}} {{operation}} {{error_type}}",
        ),
        Panel::graph(
            "Server: 95 % are answered within",
            "s",
            quantile(0.95, "service_name, operation", SERVER_SECONDS),
            "{{service_name}} {{operation}}",
        ),
        Panel::graph(
            "Server: requests to its database",
            "reqps",
            by("operation", PERSISTENCE_REQUESTS),
            "{{operation}}",
        ),
        Panel::graph(
            "Server: 95 % of them take up to",
            "s",
            quantile(0.95, "operation", PERSISTENCE_SECONDS),
            "{{operation}}",
        ),
    ]
}
