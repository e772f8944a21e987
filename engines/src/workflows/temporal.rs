//! The Temporal client: connected when first used, reconnected by itself, never a reason not to start.

use std::{sync::Arc, time::Duration};

use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, WorkflowCancelOptions,
    WorkflowDescribeOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowStartOptions,
    errors::{WorkflowInteractionError, WorkflowStartError},
    grpc::WorkflowService,
};
use temporalio_common::{
    data_converters::{PayloadConverter, RawValue},
    protos::temporal::api::enums::v1::WorkflowExecutionStatus,
    search_attributes::{SearchAttributeKey, SearchAttributes},
};
use tokio::sync::OnceCell;

use crate::{
    config,
    error::{Error, Result, codes},
    outbox::{AfterCompletion, Start},
};

/// Search attribute by which a course's workflows are found.
pub const COURSE_ID: SearchAttributeKey<i64> = SearchAttributeKey::int("CourseId");
/// Search attribute by which an instructor's workflows are found.
pub const INSTRUCTOR_ID: SearchAttributeKey<i64> = SearchAttributeKey::int("InstructorId");

/// Longest wait for a connection or a single answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A handle that is cheap to clone.
#[derive(Clone)]
pub struct Temporal {
    config: Arc<config::Temporal>,
    client: Arc<OnceCell<Client>>,
}

/// What the server knows of a workflow id's latest run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunInfo {
    /// Its run.
    pub run_id: String,
    /// How it stands.
    pub state: RunState,
    /// The activities under way.
    pub pending: Vec<PendingActivity>,
    /// Failed workflow tasks in a row: above zero the workflow's own code does not run.
    pub workflow_task_attempt: i32,
}

/// State of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Still going.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended with a failure.
    Failed,
    /// Ended after a cancellation.
    Cancelled,
    /// Ended by an operator.
    Terminated,
    /// Ended by its execution timeout.
    TimedOut,
}

/// An activity the server is waiting for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingActivity {
    /// Registered name.
    pub activity_type: String,
    /// The try it is in, from 1.
    pub attempt: i32,
    /// True when a worker runs it now; false when it waits for a worker or for its next try.
    pub started: bool,
    /// Cause of the last failed try.
    pub last_failure: Option<String>,
    /// When the next try is due, in seconds since 1970.
    pub next_try_at: Option<i64>,
    /// When it was last heard from, in seconds since 1970.
    pub last_heartbeat_at: Option<i64>,
    /// When the current try was scheduled, in seconds since 1970.
    pub scheduled_at: Option<i64>,
}

impl Temporal {
    /// A handle; nothing is connected yet.
    pub fn new(config: config::Temporal) -> Self {
        Self {
            config: Arc::new(config),
            client: Arc::new(OnceCell::new()),
        }
    }

    /// The configuration, for links.
    pub fn config(&self) -> &config::Temporal {
        &self.config
    }

    /// The SDK's client, connecting if need be.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async {
                let target: url::Url =
                    format!("http://{}", self.config.address)
                        .parse()
                        .map_err(|error| {
                            Error::internal("temporal.address is not an address").because(format!("{error}"))
                        })?;
                let options = ConnectionOptions::new(target)
                    .identity(format!("smartcourse-{}", std::process::id()))
                    .connect_timeout(PATIENCE)
                    .build();
                let connection = tokio::time::timeout(PATIENCE, Connection::connect(options))
                    .await
                    .map_err(|_| unavailable("no connection within 3 s"))?
                    .map_err(unavailable)?;
                Client::new(
                    connection,
                    ClientOptions::new(self.config.namespace.clone()).build(),
                )
                .map_err(|error| Error::internal("the Temporal client refused its options").because(error))
            })
            .await
    }

    /// Starts a workflow exactly as the row says; the id of the run that is now (or was already) there.
    ///
    /// A run under way is joined; a failed, cancelled, timed out or terminated one is followed by a new run; so is a
    /// completed one if the row says so.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn start(&self, start: &Start) -> Result<Option<String>> {
        let client = self.client().await?;
        let attributes = SearchAttributes::new([
            COURSE_ID.value_set(start.options.course_id),
            INSTRUCTOR_ID.value_set(start.options.instructor_id),
        ]);
        let options = WorkflowStartOptions::new(start.task_queue.clone(), start.workflow_id.clone())
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .id_reuse_policy(match start.options.after_completion {
                AfterCompletion::Rest => WorkflowIdReusePolicy::AllowDuplicateFailedOnly,
                AfterCompletion::StartAgain => WorkflowIdReusePolicy::AllowDuplicate,
            })
            .execution_timeout(Duration::from_secs(start.options.execution_timeout_seconds))
            .search_attributes(attributes)
            .static_summary(start.options.summary.clone())
            .build();
        let input = RawValue::from_value(&start.input, &PayloadConverter::default());
        let started = tokio::time::timeout(
            PATIENCE,
            client.start_workflow(UntypedWorkflow::new(start.workflow_type.clone()), input, options),
        )
        .await
        .map_err(|_| unavailable("no answer within 3 s"))?;
        match started {
            Ok(handle) => Ok(handle.run_id().map(str::to_owned)),
            Err(WorkflowStartError::AlreadyStarted { run_id, .. }) => Ok(run_id),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Asks a workflow to cancel; one that is closed or unknown needs nothing.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn cancel(&self, workflow_id: &str) -> Result<()> {
        let handle = self
            .client()
            .await?
            .get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
        let cancelled = tokio::time::timeout(PATIENCE, handle.cancel(WorkflowCancelOptions::default())).await;
        match cancelled.map_err(|_| unavailable("no answer within 3 s"))? {
            Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// What the server knows of the latest run of a workflow id; `None` when it knows nothing.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn describe(&self, workflow_id: &str) -> Result<Option<RunInfo>> {
        let handle = self
            .client()
            .await?
            .get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
        let described =
            tokio::time::timeout(PATIENCE, handle.describe(WorkflowDescribeOptions::default())).await;
        match described.map_err(|_| unavailable("no answer within 3 s"))? {
            Ok(description) => Ok(Some(run_info(description.raw()))),
            Err(WorkflowInteractionError::NotFound(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    /// Whether a worker asked the queue for activities within the last minute and a half.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn has_pollers(&self, task_queue: &str) -> Result<bool> {
        use temporalio_common::protos::temporal::api::{
            enums::v1::TaskQueueType, taskqueue::v1::TaskQueue, workflowservice::v1::DescribeTaskQueueRequest,
        };
        let mut client = self.client().await?.clone();
        let request = DescribeTaskQueueRequest {
            namespace: self.config.namespace.clone(),
            task_queue: Some(TaskQueue {
                name: task_queue.to_owned(),
                ..TaskQueue::default()
            }),
            task_queue_type: TaskQueueType::Activity.into(),
            ..DescribeTaskQueueRequest::default()
        };
        let described = tokio::time::timeout(
            PATIENCE,
            client.describe_task_queue(tonic::IntoRequest::into_request(request)),
        );
        let answer = described
            .await
            .map_err(|_| unavailable("no answer within 3 s"))?
            .map_err(unavailable)?;
        Ok(!answer.into_inner().pollers.is_empty())
    }
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRun {
    /// Id of the workflow.
    pub workflow_id: String,
    /// The run.
    pub run_id: String,
    /// Registered type.
    pub workflow_type: String,
    /// How it stands.
    pub state: RunState,
    /// Seconds since 1970.
    pub started_at: Option<i64>,
    /// Seconds since 1970; absent while it runs.
    pub finished_at: Option<i64>,
}

impl Temporal {
    /// A page of runs, newest first, and the token of the next page.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn list(
        &self,
        state: Option<RunState>,
        limit: i32,
        token: Vec<u8>,
    ) -> Result<(Vec<ListedRun>, Option<Vec<u8>>)> {
        use temporalio_common::protos::temporal::api::workflowservice::v1::ListWorkflowExecutionsRequest;
        let mut client = self.client().await?.clone();
        let request = ListWorkflowExecutionsRequest {
            namespace: self.config.namespace.clone(),
            page_size: limit,
            next_page_token: token,
            query: state
                .map(|state| format!("ExecutionStatus = '{}'", state.in_queries()))
                .unwrap_or_default(),
        };
        let listed = client.list_workflow_executions(tonic::IntoRequest::into_request(request));
        let answer = tokio::time::timeout(PATIENCE, listed)
            .await
            .map_err(|_| unavailable("no answer within 3 s"))?
            .map_err(unavailable)?
            .into_inner();
        let runs = answer.executions.into_iter().map(|info| {
            let state = run_state(info.status());
            let execution = info.execution.unwrap_or_default();
            ListedRun {
                workflow_id: execution.workflow_id,
                run_id: execution.run_id,
                workflow_type: info.r#type.map(|kind| kind.name).unwrap_or_default(),
                state,
                started_at: info.start_time.map(|time| time.seconds),
                finished_at: info.close_time.map(|time| time.seconds),
            }
        });
        let next = Some(answer.next_page_token).filter(|token| !token.is_empty());
        Ok((runs.collect(), next))
    }
}

impl RunState {
    /// What the server's query language calls it.
    fn in_queries(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::Failed => "Failed",
            Self::Cancelled => "Canceled",
            Self::Terminated => "Terminated",
            Self::TimedOut => "TimedOut",
        }
    }
}

fn run_state(status: WorkflowExecutionStatus) -> RunState {
    use WorkflowExecutionStatus as Status;
    match status {
        Status::Completed => RunState::Completed,
        Status::Failed => RunState::Failed,
        Status::Canceled => RunState::Cancelled,
        Status::Terminated => RunState::Terminated,
        Status::TimedOut => RunState::TimedOut,
        Status::Unspecified | Status::Running | Status::ContinuedAsNew | Status::Paused => RunState::Running,
    }
}

fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(&codes::UNAVAILABLE, "Temporal does not answer").because(cause)
}

fn run_info(
    raw: &temporalio_common::protos::temporal::api::workflowservice::v1::DescribeWorkflowExecutionResponse,
) -> RunInfo {
    use temporalio_common::protos::temporal::api::enums::v1::PendingActivityState;
    let info = raw.workflow_execution_info.clone().unwrap_or_default();
    let state = run_state(info.status());
    let pending = raw
        .pending_activities
        .iter()
        .map(|activity| PendingActivity {
            activity_type: activity
                .activity_type
                .as_ref()
                .map(|kind| kind.name.clone())
                .unwrap_or_default(),
            attempt: activity.attempt,
            started: activity.state() == PendingActivityState::Started,
            last_failure: activity
                .last_failure
                .as_ref()
                .map(|failure| failure.message.clone()),
            next_try_at: activity
                .next_attempt_schedule_time
                .as_ref()
                .map(|time| time.seconds),
            last_heartbeat_at: activity
                .last_heartbeat_time
                .as_ref()
                .or(activity.last_started_time.as_ref())
                .map(|time| time.seconds),
            scheduled_at: activity.scheduled_time.as_ref().map(|time| time.seconds),
        })
        .collect();
    RunInfo {
        run_id: info
            .execution
            .map(|execution| execution.run_id)
            .unwrap_or_default(),
        state,
        pending,
        workflow_task_attempt: raw
            .pending_workflow_task
            .as_ref()
            .map_or(0, |task| task.attempt - 1),
    }
}
