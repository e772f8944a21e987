//! Metrics that are not the platform's own: whose they are, and what they say.

/// Who emits a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Prometheus itself, of each scrape.
    Prometheus,
    /// Every role, of its process.
    Process,
    /// The worker: Temporal's SDK.
    Sdk,
    /// The worker, once something failed or it had nothing to do for a minute: Temporal's SDK.
    SdkLater,
    /// The Temporal server.
    TemporalServer,
}

macro_rules! foreign {
    ($($(#[doc = $help:literal])+ $name:ident = $text:literal of $source:ident;)*) => {
        $($(#[doc = $help])+ pub const $name: &str = $text;)*

        /// All of them, and who emits them.
        pub const ALL: &[(&str, Source)] = &[$(($name, Source::$source)),*];
    };
}

foreign! {
    /// Whether a process answered the last scrape.
    UP = "up" of Prometheus;
    /// Alerts that are pending or firing.
    ALERTS = "ALERTS" of Prometheus;
    /// Since when they are, in seconds since 1970.
    ALERTS_SINCE = "ALERTS_FOR_STATE" of Prometheus;

    /// Seconds of processor time.
    CPU = "process_cpu_seconds_total" of Process;
    /// Memory that is in use.
    MEMORY = "process_resident_memory_bytes" of Process;
    /// Open descriptors.
    DESCRIPTORS = "process_open_fds" of Process;
    /// How many there may be.
    DESCRIPTORS_MAX = "process_max_fds" of Process;
    /// When the process began.
    STARTED = "process_start_time_seconds" of Process;

    /// Runs that ended well, by type.
    RUNS_COMPLETED = "temporal_workflow_completed_total" of Sdk;
    /// Runs that failed.
    RUNS_FAILED = "temporal_workflow_failed_total" of Sdk;
    /// Runs that were cancelled.
    RUNS_CANCELED = "temporal_workflow_canceled_total" of Sdk;
    /// How long runs took.
    RUN_SECONDS = "temporal_workflow_endtoend_latency_seconds" of Sdk;
    /// How long workflow tasks waited for a worker.
    WORKFLOW_TASK_WAIT = "temporal_workflow_task_schedule_to_start_latency_seconds" of Sdk;
    /// How long activity tasks waited for a worker.
    ACTIVITY_TASK_WAIT = "temporal_activity_schedule_to_start_latency_seconds" of Sdk;
    /// Workflow tasks that failed: the code of a workflow does not get on with its history.
    WORKFLOW_TASKS_FAILED = "temporal_workflow_task_execution_failed_total" of SdkLater;
    /// Polls for workflow tasks that brought one.
    POLLS_WITH_TASK = "temporal_workflow_task_queue_poll_succeed_total" of Sdk;
    /// Polls for workflow tasks that came back without one, after a minute.
    POLLS_EMPTY = "temporal_workflow_task_queue_poll_empty_total" of SdkLater;
    /// Polls that are open.
    POLLERS = "temporal_num_pollers" of Sdk;
    /// Places for tasks that are free.
    SLOTS_AVAILABLE = "temporal_worker_task_slots_available" of Sdk;
    /// Places for tasks that are taken.
    SLOTS_USED = "temporal_worker_task_slots_used" of Sdk;
    /// Workflow tasks whose run was in memory.
    STICKY_HITS = "temporal_sticky_cache_hit_total" of Sdk;

    /// Requests to the server.
    SERVER_REQUESTS = "service_requests" of TemporalServer;
    /// Requests that failed, by kind of error.
    SERVER_ERRORS = "service_error_with_type" of TemporalServer;
    /// How long requests took.
    SERVER_SECONDS = "service_latency" of TemporalServer;
    /// Requests of the server to its database.
    PERSISTENCE_REQUESTS = "persistence_requests" of TemporalServer;
    /// How long those took.
    PERSISTENCE_SECONDS = "persistence_latency" of TemporalServer;
}
