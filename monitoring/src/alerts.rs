//! The alerts: what is wrong, since when, for whom, and which page of the runbook says what to do.

use smartcourse_telemetry::catalogue::{
    CERTIFICATE_NOT_AFTER, DISK_AVAILABLE, DISK_SIZE, EVENT_LAG, EVENTS_PARKED, HTTP_REQUESTS, OUTBOX_AGE,
    SERVER_CONNECTIONS, SERVER_CONNECTIONS_MAX, SERVER_UP, STANDING_STILL, STATEMENT_SECONDS, TASKS_DEAD,
};

use crate::{
    case::{Case, Series},
    foreign::{
        ACTIVITY_TASK_WAIT, POLLS_EMPTY, POLLS_WITH_TASK, RUNS_COMPLETED, RUNS_FAILED, UP,
        WORKFLOW_TASKS_FAILED,
    },
    pace::Pace,
    recordings::{ERROR_RATIO, FAILED_RATIO, STATEMENT_P95, TASK_WAIT_P95},
};

/// Who is to look, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Users are concerned: somebody looks at once.
    Page,
    /// Nobody is kept waiting yet: somebody looks today.
    Ticket,
}

impl Severity {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

/// An alert.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its name, and that of its page in `docs/runbook/`.
    pub name: &'static str,
    /// Who is to look, and when.
    pub severity: Severity,
    /// What is wrong while it has a value.
    pub expr: String,
    /// Seconds for which it has to be wrong before somebody is told.
    pub waits: u32,
    /// What is wrong and with what, in a sentence; a template of Prometheus.
    pub summary: &'static str,
    /// What that means, and for whom; no template.
    pub description: &'static str,
    pub(crate) case: Case,
}

impl Alert {
    pub(crate) fn annotations(&self) -> Vec<(&'static str, String)> {
        vec![
            ("summary", self.summary.to_owned()),
            ("description", self.description.to_owned()),
            ("runbook", format!("docs/runbook/{}.md", self.name)),
            (
                "runbook_url",
                format!("{{{{ $externalLabels.grafana }}}}/d/runbook-{}", self.name),
            ),
        ]
    }
}

/// All of them: first those of users, then what leads to them.
#[must_use]
pub fn alerts(pace: Pace) -> Vec<Alert> {
    let mut all = of_users();
    all.extend(of_workers(pace));
    all.extend(of_what_waits());
    all.extend(of_machines());
    all
}

fn of_users() -> Vec<Alert> {
    vec![
        Alert {
            name: "ApiErrors",
            severity: Severity::Page,
            expr: format!("{ERROR_RATIO} > 0.05"),
            waits: 300,
            summary: "{{ $value | humanizePercentage }} of the requests to the API fail.",
            description: "More than 5 % of all requests were answered with 5xx, for at least 5 minutes. Everybody who uses the \
                          platform sees errors; which routes they are of is in the dashboard API.",
            case: Case::new(
                [
                    Series::rises(
                        format!("{HTTP_REQUESTS}{{route=\"/courses\",status=\"200\"}}"),
                        9.6,
                        9.0,
                    ),
                    Series::rises(
                        format!("{HTTP_REQUESTS}{{route=\"/courses\",status=\"503\"}}"),
                        0.4,
                        1.0,
                    ),
                ],
                &[],
                "10% of the requests to the API fail.",
            ),
        },
        Alert {
            name: "SlowQueries",
            severity: Severity::Page,
            expr: format!("{STATEMENT_P95} > 0.5"),
            waits: 300,
            summary: "95 % of \"{{ $labels.statement }}\" take up to {{ $value | humanizeDuration }}.",
            description: "More than one in 20 executions of a statement took longer than 500 ms, for at least 5 minutes. Whoever asks \
                          for what it reads or writes waits as long.",
            case: Case::new(
                [("0.5", 0.96, 0.9), ("1", 1.0, 1.0), ("+Inf", 1.0, 1.0)].map(|(le, well, bad)| {
                    Series::rises(
                        format!(
                            "{STATEMENT_SECONDS}_bucket{{statement=\"update course.courses\",le=\"{le}\"}}"
                        ),
                        well,
                        bad,
                    )
                }),
                &[("statement", "update course.courses")],
                "95 % of \"update course.courses\" take up to 750ms.",
            ),
        },
        Alert {
            name: "WorkflowFailures",
            severity: Severity::Page,
            expr: format!("{FAILED_RATIO} > 0.1"),
            waits: 300,
            summary: "{{ $value | humanizePercentage }} of the runs of {{ $labels.workflow_type }} fail.",
            description: "More than 10 % of the runs of this type that ended in the last 15 minutes failed, for at least 5 minutes. \
                          Whoever began one is told why: instructors of a publish, students of an enrollment.",
            case: Case::new(
                [
                    Series::rises(
                        format!("{RUNS_COMPLETED}{{workflow_type=\"CoursePublishing\"}}"),
                        0.091,
                        0.08,
                    ),
                    Series::rises(
                        format!("{RUNS_FAILED}{{workflow_type=\"CoursePublishing\"}}"),
                        0.009,
                        0.02,
                    ),
                ],
                &[("workflow_type", "CoursePublishing")],
                "20% of the runs of CoursePublishing fail.",
            ),
        },
        Alert {
            name: "EventLag",
            severity: Severity::Page,
            expr: format!("max by (group) ({EVENT_LAG}) > 1000"),
            waits: 300,
            summary: "{{ $labels.group }} is {{ $value }} events behind.",
            description: "More than 1000 events wait for this consumer group, for at least 5 minutes. What it makes of them is late: \
                          numbers, notifications, progress, or the clean-up behind a publish.",
            case: Case::new(
                [Series::is(
                    format!("{EVENT_LAG}{{group=\"analytics.counter\"}}"),
                    1000.0,
                    1001.0,
                )],
                &[("group", "analytics.counter")],
                "analytics.counter is 1001 events behind.",
            ),
        },
    ]
}

/// What Temporal recommends to watch of workers.
fn of_workers(pace: Pace) -> Vec<Alert> {
    let (five, half_hour) = (pace.seconds(300), pace.seconds(1800));
    let polls = |metric| format!("sum by (instance) (rate({metric}[{five}]))");
    let with_task = polls(POLLS_WITH_TASK);
    vec![
        Alert {
            name: "TasksWaitForWorkers",
            severity: Severity::Page,
            expr: format!("{TASK_WAIT_P95} > 1"),
            waits: 300,
            summary: "Tasks of kind {{ $labels.task }} wait up to {{ $value | humanizeDuration }} for a worker.",
            description: "More than one in 20 tasks of Temporal waited over a second until a worker took it, for at least 5 minutes. \
                          Publishes and enrollments take longer by that for each of their steps.",
            case: Case::new(
                [("1", 0.96, 0.9), ("2.5", 1.0, 1.0), ("+Inf", 1.0, 1.0)].map(|(le, well, bad)| {
                    Series::rises(format!("{ACTIVITY_TASK_WAIT}_bucket{{le=\"{le}\"}}"), well, bad)
                }),
                &[("task", "activity")],
                "Tasks of kind activity wait up to 1.75s for a worker.",
            ),
        },
        Alert {
            name: "PollsStop",
            severity: Severity::Page,
            expr: format!("{with_task} + ({} or 0 * {with_task}) == 0", polls(POLLS_EMPTY)),
            waits: 120,
            summary: "No poll of {{ $labels.instance }} at Temporal comes back.",
            description: "In 5 minutes this worker's polls brought neither a task nor the answer that there is none. If no other worker \
                          polls, publishes and enrollments stand still.",
            case: Case::new(
                [
                    Series::rises(format!("{POLLS_WITH_TASK}{{instance=\"worker\"}}"), 0.0, 0.0),
                    Series::rises(format!("{POLLS_EMPTY}{{instance=\"worker\"}}"), 0.1, 0.0),
                ],
                &[("instance", "worker")],
                "No poll of worker at Temporal comes back.",
            ),
        },
        Alert {
            name: "StuckWorkflowTasks",
            severity: Severity::Page,
            expr: format!("sum by (workflow_type) (increase({WORKFLOW_TASKS_FAILED}[{half_hour}])) > 2"),
            waits: 60,
            summary: "Runs of {{ $labels.workflow_type }} do not go on: their workflow tasks fail.",
            description: "The code of the workflow does not get on with the history of a run, which is tried again without end. The run \
                          stands still for its instructor or student until the code is mended.",
            case: Case::new(
                [Series::rises(
                    format!("{WORKFLOW_TASKS_FAILED}{{workflow_type=\"Enrollment\"}}"),
                    0.0,
                    0.01,
                )],
                &[("workflow_type", "Enrollment")],
                "Runs of Enrollment do not go on: their workflow tasks fail.",
            ),
        },
    ]
}

/// What waits longer than it should, or for a person.
fn of_what_waits() -> Vec<Alert> {
    vec![
        Alert {
            name: "OutboxAge",
            severity: Severity::Page,
            expr: format!("max by (kind) ({OUTBOX_AGE}) > 60"),
            waits: 120,
            summary: "The oldest of the outbox's {{ $labels.kind }} has waited for {{ $value | humanizeDuration }}.",
            description: "What was accepted is not handed over: commands wait for Temporal, events for their position. Publishes do not \
                          begin, enrollments are not completed, or no group hears of anything new.",
            case: Case::new(
                [Series::is(
                    format!("{OUTBOX_AGE}{{kind=\"commands\"}}"),
                    60.0,
                    61.0,
                )],
                &[("kind", "commands")],
                "The oldest of the outbox's commands has waited for 1m 1s.",
            ),
        },
        Alert {
            name: "EventsParked",
            severity: Severity::Ticket,
            expr: format!("max by (group) ({EVENTS_PARKED}) > 0"),
            waits: 600,
            summary: "Events that are parked for {{ $labels.group }}: {{ $value }}.",
            description: "The consumer group could not take an event, for at least 10 minutes. Later events of the same user, course or \
                          enrollment wait behind it; others go on.",
            case: Case::new(
                [Series::is(
                    format!("{EVENTS_PARKED}{{group=\"notification.feed\"}}"),
                    0.0,
                    2.0,
                )],
                &[("group", "notification.feed")],
                "Events that are parked for notification.feed: 2.",
            ),
        },
        Alert {
            name: "TasksDead",
            severity: Severity::Ticket,
            expr: format!("max by (kind) ({TASKS_DEAD}) > 0"),
            waits: 60,
            summary: "Tasks of kind {{ $labels.kind }} that were given up: {{ $value }}.",
            description: "A mail, a message, a report or a clean-up used up its tries, or none can mend it. Whom it was for does not get it \
                          until an administrator has it tried again.",
            case: Case::new(
                [Series::is(
                    format!("{TASKS_DEAD}{{kind=\"notification.email\"}}"),
                    0.0,
                    1.0,
                )],
                &[("kind", "notification.email")],
                "Tasks of kind notification.email that were given up: 1.",
            ),
        },
        Alert {
            name: "TransactionsStandStill",
            severity: Severity::Page,
            expr: format!("max({STANDING_STILL}) > 0"),
            waits: 30,
            summary: "Transactions that stand still and hold their locks: {{ $value }}.",
            description: "For at least 40 s sessions of SmartCourse have been idle in a transaction. Whoever needs their locks waits; the \
                          server ends them after postgres.idle_transaction_seconds.",
            case: Case::new(
                [Series::is(STANDING_STILL.to_string(), 0.0, 1.0)],
                &[],
                "Transactions that stand still and hold their locks: 1.",
            ),
        },
    ]
}

/// Processes, servers, disks.
fn of_machines() -> Vec<Alert> {
    vec![
        Alert {
            name: "ProcessDown",
            severity: Severity::Page,
            expr: format!("{UP} == 0"),
            waits: 60,
            summary: "{{ $labels.instance }} does not answer Prometheus.",
            description: "The process is gone, frozen or cut off, for at least a minute. What it does stands still unless another of its \
                          kind runs.",
            case: Case::new(
                [Series::is(
                    format!("{UP}{{job=\"smartcourse\",instance=\"relay\"}}"),
                    1.0,
                    0.0,
                )],
                &[("instance", "relay"), ("job", "smartcourse")],
                "relay does not answer Prometheus.",
            ),
        },
        Alert {
            name: "ServerDown",
            severity: Severity::Page,
            expr: format!("min by (server) ({SERVER_UP}) == 0"),
            waits: 60,
            summary: "{{ $labels.server }} does not answer.",
            description: "A server that the configuration names is away from at least one process, for at least a minute. What needs it \
                          is refused as unavailable or waits.",
            case: Case::new(
                [Series::is(format!("{SERVER_UP}{{server=\"Redis\"}}"), 1.0, 0.0)],
                &[("server", "Redis")],
                "Redis does not answer.",
            ),
        },
        Alert {
            name: "ConnectionsRunOut",
            severity: Severity::Page,
            expr: format!("max({SERVER_CONNECTIONS} / {SERVER_CONNECTIONS_MAX}) > 0.9"),
            waits: 120,
            summary: "{{ $value | humanizePercentage }} of PostgreSQL's connections are taken.",
            description: "Clients hold more than nine of ten connections the server takes, for at least 2 minutes. When there is none left, \
                          processes that start or need one more wait, and then refuse what they were asked.",
            case: Case::new(
                [
                    Series::is(SERVER_CONNECTIONS.to_string(), 180.0, 190.0),
                    Series::is(SERVER_CONNECTIONS_MAX.to_string(), 200.0, 200.0),
                ],
                &[],
                "95% of PostgreSQL's connections are taken.",
            ),
        },
        Alert {
            name: "DiskFull",
            severity: Severity::Page,
            expr: format!("min by (directory) ({DISK_AVAILABLE} / {DISK_SIZE}) < 0.1"),
            waits: 300,
            summary: "{{ $value | humanizePercentage }} of the disk of {{ $labels.directory }} are free.",
            description: "Less than a tenth of the disk is free, for at least 5 minutes. When it is full uploads and publishes are refused, \
                          and a database on the same disk refuses to write.",
            case: Case::new(
                [
                    Series::is(format!("{DISK_AVAILABLE}{{directory=\"files\"}}"), 11e9, 9e9),
                    Series::is(format!("{DISK_SIZE}{{directory=\"files\"}}"), 100e9, 100e9),
                ],
                &[("directory", "files")],
                "9% of the disk of files are free.",
            ),
        },
        Alert {
            name: "CertificateEnds",
            severity: Severity::Ticket,
            expr: format!("min by (instance, certificate) ({CERTIFICATE_NOT_AFTER}) - time() < 14 * 86400"),
            waits: 300,
            summary: "The certificate of {{ $labels.certificate }} at {{ $labels.instance }} ends in {{ $value | humanizeDuration }}.",
            description: "A certificate ends within two weeks and was not replaced. From then on whoever connects is refused: of the \
                          gateway everybody, of the internal calls the other services.",
            case: Case::new(
                [Series::is(
                    format!("{CERTIFICATE_NOT_AFTER}{{certificate=\"gateway\",instance=\"gateway\"}}"),
                    // The cases begin in 1970.
                    1e9,
                    867_585.0,
                )],
                &[("certificate", "gateway"), ("instance", "gateway")],
                "The certificate of gateway at gateway ends in 10d 0h 0m 0s.",
            ),
        },
    ]
}
