//! Temporal: connected when first used, reconnected by itself, never a reason not to start.

use std::{future::Future, time::Duration};

use async_trait::async_trait;
use smartcourse_platform::{
    Error, Result, config,
    error::codes,
    ports::workflows::{
        AfterCompletion, Failure, ListedRun, PendingActivity, RunInfo, RunState, Schedule, Start, Workflows,
    },
};
use temporalio_client::{
    Client, ClientKeepAliveOptions, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow,
    WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
    WorkflowStartOptions,
    errors::{WorkflowInteractionError, WorkflowStartError},
    grpc::{OperatorService, WorkflowService},
};
use temporalio_common::{
    data_converters::{PayloadConverter, RawValue},
    protos::temporal::api::{
        enums::v1::{IndexedValueType, PendingActivityState, TaskQueueType, WorkflowExecutionStatus},
        failure::v1::{self, failure::FailureInfo},
        operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
        taskqueue::v1::TaskQueue,
        workflowservice::v1::{
            DescribeTaskQueueRequest, DescribeWorkflowExecutionResponse, ListWorkflowExecutionsRequest,
        },
    },
    search_attributes::{SearchAttributeKey, SearchAttributes},
};
use tokio::sync::OnceCell;
use tonic::{Code, IntoRequest as _};

use super::schedule;

const COURSE_ID_NAME: &str = "CourseId";
const INSTRUCTOR_ID_NAME: &str = "InstructorId";
/// By which a course's workflows are found.
const COURSE_ID: SearchAttributeKey<i64> = SearchAttributeKey::int(COURSE_ID_NAME);
/// By which an instructor's workflows are found.
const INSTRUCTOR_ID: SearchAttributeKey<i64> = SearchAttributeKey::int(INSTRUCTOR_ID_NAME);
/// All of them; integers.
const ATTRIBUTES: [&str; 2] = [COURSE_ID_NAME, INSTRUCTOR_ID_NAME];

/// Longest wait for a connection or a single answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// A server that vanished is noticed after these together. Temporal ends connections that are asked more often than each 10 s
/// (`frontend.keepAliveMinTime`).
fn keep_alive() -> ClientKeepAliveOptions {
    ClientKeepAliveOptions::builder()
        .interval(Duration::from_secs(10))
        .timeout(Duration::from_secs(5))
        .build()
}

/// A Temporal server.
pub struct Temporal {
    config: config::Temporal,
    client: OnceCell<Client>,
}

/// The answer, if it comes in time.
async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .map_err(|_| unavailable("no answer within 3 s"))
}

impl Temporal {
    /// A handle; nothing is connected yet.
    pub fn new(config: config::Temporal) -> Self {
        Self {
            config,
            client: OnceCell::new(),
        }
    }

    /// The SDK's client, connecting if need be. Fails with `unavailable` when the server does not answer.
    pub async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| async {
                let target = url::Url::parse(&format!("http://{}", self.config.address))
                    .map_err(|error| Error::internal("temporal.address is not an address").because(error))?;
                let options = ConnectionOptions::new(target)
                    .identity(format!("smartcourse-{}", std::process::id()))
                    .connect_timeout(PATIENCE)
                    .keep_alive(Some(keep_alive()))
                    .build();
                let connection = in_time(Connection::connect(options))
                    .await?
                    .map_err(unavailable)?;
                let options = ClientOptions::new(self.config.namespace.clone()).build();
                Client::new(connection, options).map_err(|error| {
                    Error::internal("the Temporal client refused its options").because(error)
                })
            })
            .await
    }
}

#[async_trait]
impl Workflows for Temporal {
    async fn ping(&self) -> Result<()> {
        self.client().await.map(drop)
    }

    async fn prepare(&self) -> Result<Vec<&'static str>> {
        let missing = self.missing_attributes().await?;
        if missing.is_empty() {
            return Ok(missing);
        }
        let attributes = missing
            .iter()
            .map(|name| ((*name).to_owned(), IndexedValueType::Int.into()));
        let request = AddSearchAttributesRequest {
            search_attributes: attributes.collect(),
            namespace: self.config.namespace.clone(),
        };
        let mut client = self.client().await?.clone();
        client
            .add_search_attributes(request.into_request())
            .await
            .map_err(unavailable)?;
        Ok(missing)
    }

    async fn missing_attributes(&self) -> Result<Vec<&'static str>> {
        let request = ListSearchAttributesRequest {
            namespace: self.config.namespace.clone(),
        };
        let mut client = self.client().await?.clone();
        let known = in_time(client.list_search_attributes(request.into_request()))
            .await?
            .map_err(unavailable)?
            .into_inner()
            .custom_attributes;
        Ok(ATTRIBUTES
            .into_iter()
            .filter(|name| !known.contains_key(*name))
            .collect())
    }

    async fn start(&self, start: &Start) -> Result<Option<String>> {
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
        let workflow = UntypedWorkflow::new(start.workflow_type.clone());
        match in_time(client.start_workflow(workflow, input, options)).await? {
            Ok(handle) => Ok(handle.run_id().map(str::to_owned)),
            Err(WorkflowStartError::AlreadyStarted { run_id, .. }) => Ok(run_id),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn cancel(&self, workflow_id: &str) -> Result<()> {
        let client = self.client().await?;
        let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
        match in_time(handle.cancel(WorkflowCancelOptions::default())).await? {
            Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn describe(&self, workflow_id: &str) -> Result<Option<RunInfo>> {
        let client = self.client().await?;
        let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
        match in_time(handle.describe(WorkflowDescribeOptions::default())).await? {
            Ok(description) => Ok(Some(run_info(description.into_raw()))),
            Err(WorkflowInteractionError::NotFound(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn has_pollers(&self, task_queue: &str) -> Result<bool> {
        let request = DescribeTaskQueueRequest {
            namespace: self.config.namespace.clone(),
            task_queue: Some(TaskQueue {
                name: task_queue.to_owned(),
                ..TaskQueue::default()
            }),
            task_queue_type: TaskQueueType::Activity.into(),
            ..DescribeTaskQueueRequest::default()
        };
        let mut client = self.client().await?.clone();
        let answer = in_time(client.describe_task_queue(request.into_request())).await?;
        Ok(!answer.map_err(unavailable)?.into_inner().pollers.is_empty())
    }

    async fn list(
        &self,
        state: Option<RunState>,
        limit: i32,
        token: Vec<u8>,
    ) -> Result<(Vec<ListedRun>, Option<Vec<u8>>)> {
        let request = ListWorkflowExecutionsRequest {
            namespace: self.config.namespace.clone(),
            page_size: limit,
            next_page_token: token,
            query: state
                .map(|state| format!("ExecutionStatus = '{}'", in_queries(state)))
                .unwrap_or_default(),
        };
        let mut client = self.client().await?.clone();
        let answer = in_time(client.list_workflow_executions(request.into_request()))
            .await?
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

    async fn ensure_schedule(&self, schedule: &Schedule) -> Result<bool> {
        let client = self.client().await?;
        match schedule::create(client, &self.config.namespace, schedule).await {
            Ok(_) => Ok(true),
            Err(status) if status.code() == Code::AlreadyExists => Ok(false),
            Err(status) => Err(unavailable(status)),
        }
    }
}

/// What the server's query language calls a state.
fn in_queries(state: RunState) -> &'static str {
    match state {
        RunState::Running => "Running",
        RunState::Completed => "Completed",
        RunState::Failed => "Failed",
        RunState::Cancelled => "Canceled",
        RunState::Terminated => "Terminated",
        RunState::TimedOut => "TimedOut",
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

fn failure(failure: v1::Failure) -> Failure {
    let code = match failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => info.r#type,
        Some(FailureInfo::TimeoutFailureInfo(_)) => codes::TIMEOUT.code.to_owned(),
        _ => codes::INTERNAL.code.to_owned(),
    };
    Failure {
        code,
        message: failure.message,
    }
}

fn run_info(raw: DescribeWorkflowExecutionResponse) -> RunInfo {
    let info = raw.workflow_execution_info.unwrap_or_default();
    let pending = raw
        .pending_activities
        .into_iter()
        .map(|activity| PendingActivity {
            attempt: activity.attempt,
            started: activity.state() == PendingActivityState::Started,
            activity_type: activity.activity_type.unwrap_or_default().name,
            last_failure: activity.last_failure.map(failure),
            next_try_at: activity.next_attempt_schedule_time.map(|time| time.seconds),
            last_heartbeat_at: activity
                .last_heartbeat_time
                .or(activity.last_started_time)
                .map(|time| time.seconds),
            scheduled_at: activity.scheduled_time.map(|time| time.seconds),
        });
    RunInfo {
        state: run_state(info.status()),
        started_at: info.start_time.map(|time| time.seconds),
        run_id: info.execution.unwrap_or_default().run_id,
        pending: pending.collect(),
        workflow_task_attempt: raw.pending_workflow_task.map_or(0, |task| task.attempt - 1),
    }
}
