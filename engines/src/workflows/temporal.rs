//! Temporal: connected when first used, reconnected by itself, never a reason not to start.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use smartcourse_platform::{
    Error, Result, config,
    error::codes,
    ports::workflows::{
        AfterCompletion, Failure, ListedRun, PendingActivity, RunInfo, RunState, Schedule, Start, Workflows,
    },
};
use smartcourse_telemetry::trace;
use temporalio_client::{
    Client, UntypedWorkflow, WorkflowCancelOptions, WorkflowDescribeOptions, WorkflowIdConflictPolicy,
    WorkflowIdReusePolicy, WorkflowStartOptions,
    errors::{WorkflowInteractionError, WorkflowStartError},
    grpc::{OperatorService, WorkflowService},
};
use temporalio_common::{
    data_converters::{PayloadConverter, RawValue},
    protos::temporal::api::{
        common::v1::{Header, Payload},
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

use super::{
    codec::Codec,
    connection::{self, failed, in_time},
    schedule,
};

const COURSE_ID_NAME: &str = "CourseId";
const INSTRUCTOR_ID_NAME: &str = "InstructorId";
/// By which a course's workflows are found.
const COURSE_ID: SearchAttributeKey<i64> = SearchAttributeKey::int(COURSE_ID_NAME);
/// By which an instructor's workflows are found.
const INSTRUCTOR_ID: SearchAttributeKey<i64> = SearchAttributeKey::int(INSTRUCTOR_ID_NAME);
/// The header in which Temporal's SDKs carry traces.
const TRACE_HEADER: &str = "_tracer-data";
/// All of them; integers.
const ATTRIBUTES: [&str; 2] = [COURSE_ID_NAME, INSTRUCTOR_ID_NAME];

/// A Temporal server.
pub struct Temporal {
    config: config::Temporal,
    codec: Codec,
    client: OnceCell<Client>,
}

impl Temporal {
    /// A handle; nothing is connected yet.
    pub fn new(config: config::Temporal, codec: Codec) -> Self {
        Self {
            config,
            codec,
            client: OnceCell::new(),
        }
    }

    /// The SDK's client, connecting if need be. Fails with `unavailable` when the server does not answer, with
    /// `workflows_refused` when it does not let us in.
    pub async fn client(&self) -> Result<&Client> {
        self.client
            .get_or_try_init(|| connection::connect(&self.config, self.codec.clone()))
            .await
    }
}

/// Carries the trace of this task into the run, in the way of Temporal's SDKs.
fn trace_header() -> Option<Header> {
    let carrier = BTreeMap::from([(trace::TRACEPARENT, trace::traceparent()?)]);
    let payload = Payload {
        metadata: [("encoding".to_owned(), b"json/plain".to_vec())].into(),
        data: serde_json::to_vec(&carrier).ok()?,
        ..Payload::default()
    };
    let fields = [(TRACE_HEADER.to_owned(), payload)].into();
    Some(Header { fields })
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
            .map_err(|status| match status.code() {
                Code::Unimplemented | Code::PermissionDenied => {
                    let missing = missing.join(", ");
                    let detail = format!(
                        "Temporal leaves it to you to create the search attributes {missing}, of type Int"
                    );
                    Error::new(&codes::WORKFLOWS_REFUSED, detail).because(status)
                }
                _ => failed(status),
            })?;
        Ok(missing)
    }

    async fn missing_attributes(&self) -> Result<Vec<&'static str>> {
        let request = ListSearchAttributesRequest {
            namespace: self.config.namespace.clone(),
        };
        let mut client = self.client().await?.clone();
        let known = in_time(client.list_search_attributes(request.into_request()))
            .await?
            .map_err(failed)?
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
            .maybe_header(trace_header())
            // The client sends it as it is, and it has the course's title.
            .maybe_static_summary((!self.codec.encrypts()).then(|| start.options.summary.clone()))
            .build();
        let input = RawValue::from_value(&start.input, &PayloadConverter::default());
        let workflow = UntypedWorkflow::new(start.workflow_type.clone());
        match in_time(client.start_workflow(workflow, input, options)).await? {
            Ok(handle) => Ok(handle.run_id().map(str::to_owned)),
            Err(WorkflowStartError::AlreadyStarted { run_id, .. }) => Ok(run_id),
            Err(error) => Err(failed(error)),
        }
    }

    async fn cancel(&self, workflow_id: &str) -> Result<()> {
        let client = self.client().await?;
        let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
        match in_time(handle.cancel(WorkflowCancelOptions::default())).await? {
            Ok(()) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn describe(&self, workflow_id: &str) -> Result<Option<RunInfo>> {
        let client = self.client().await?;
        let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
        match in_time(handle.describe(WorkflowDescribeOptions::default())).await? {
            Ok(description) => Ok(Some(run_info(description.into_raw()))),
            Err(WorkflowInteractionError::NotFound(_)) => Ok(None),
            Err(error) => Err(failed(error)),
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
        Ok(!answer.map_err(failed)?.into_inner().pollers.is_empty())
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
            .map_err(failed)?
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
            Err(status) => Err(failed(status)),
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
