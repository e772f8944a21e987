//! What administrators look after: events nobody could take, tasks that were given up, and workflows.

use smartcourse_platform::{
    Error, Result, config,
    events::parked::{self, Parked},
    page,
    ports::workflows::{ListedRun, RunState, Workflows},
    tasks::dead::{self, Dead},
};
use smartcourse_proto::{
    analytics::{
        FailedEvent, FailedEventPage, FailedEventsRequest, FailedTask, FailedTaskPage, FailedTasksRequest,
        ReplayEventRequest, ReplayTaskRequest, ReplayedEvent, ReplayedTask, WorkflowRun, WorkflowRunPage,
        WorkflowRunsRequest, WorkflowState,
    },
    json::timestamp::from_time,
};
use sqlx::PgPool;
use uuid::Uuid;

use crate::codes;

/// Parked events, in the order of the log.
pub(crate) async fn failed_events(pool: &PgPool, request: FailedEventsRequest) -> Result<FailedEventPage> {
    let limit = page::limit(request.limit)?;
    let after = page::decode(&request.cursor)?.unwrap_or_default();
    let mut items = parked::list(pool, &after, limit + 1).await?;
    let next_cursor = page::cut(&mut items, limit, |item| (item.position, item.group_name.clone()));
    Ok(FailedEventPage {
        items: items.into_iter().map(failed).collect(),
        next_cursor,
    })
}

fn failed(parked: Parked) -> FailedEvent {
    FailedEvent {
        id: parked.event_id.to_string(),
        group: parked.group_name,
        r#type: parked.event_type,
        key: parked.key,
        tries: parked.tries,
        reason: parked.reason,
        retrying: parked.retrying,
        next_try_at: parked.retrying.then(|| from_time(parked.next_try_at)),
        created_at: Some(from_time(parked.created_at)),
    }
}

/// Gives a parked event all its tries again.
pub(crate) async fn replay_event(pool: &PgPool, request: ReplayEventRequest) -> Result<ReplayedEvent> {
    let missing = || Error::new(&codes::NOT_FOUND, "no consumer has this event parked");
    let id: Uuid = request.id.parse().map_err(|_| missing())?;
    let groups = parked::replay(pool, id).await?;
    if groups.is_empty() {
        return Err(missing());
    }
    Ok(ReplayedEvent {
        id: request.id,
        groups,
    })
}

/// Tasks that were given up, the latest first.
pub(crate) async fn failed_tasks(pool: &PgPool, request: FailedTasksRequest) -> Result<FailedTaskPage> {
    let limit = page::limit(request.limit)?;
    let after = page::decode(&request.cursor)?;
    let mut items = dead::list(pool, request.kind.as_deref(), after, limit + 1).await?;
    let next_cursor = page::cut(&mut items, limit, Dead::place);
    Ok(FailedTaskPage {
        items: items.into_iter().map(given_up).collect(),
        next_cursor,
    })
}

fn given_up(task: Dead) -> FailedTask {
    FailedTask {
        id: task.id.to_string(),
        kind: task.kind,
        payload: task.payload.to_string(),
        tries: task.tries,
        reason: task.reason,
        created_at: Some(from_time(task.created_at)),
        finished_at: Some(from_time(task.finished_at)),
    }
}

/// Puts such a task back, with all its tries.
pub(crate) async fn replay_task(pool: &PgPool, request: ReplayTaskRequest) -> Result<ReplayedTask> {
    let missing = || Error::new(&codes::NOT_FOUND, "no task with this id was given up");
    let id: Uuid = request.id.parse().map_err(|_| missing())?;
    if !dead::replay(pool, id).await? {
        return Err(missing());
    }
    Ok(ReplayedTask { id: request.id })
}

/// Runs of workflows, newest first, as Temporal knows them.
pub(crate) async fn workflow_runs(
    workflows: &dyn Workflows,
    temporal: &config::Temporal,
    request: WorkflowRunsRequest,
) -> Result<WorkflowRunPage> {
    let state = match request.state() {
        WorkflowState::Unspecified => None,
        WorkflowState::Running => Some(RunState::Running),
        WorkflowState::Completed => Some(RunState::Completed),
        WorkflowState::Failed => Some(RunState::Failed),
        WorkflowState::Cancelled => Some(RunState::Cancelled),
        WorkflowState::Terminated => Some(RunState::Terminated),
        WorkflowState::TimedOut => Some(RunState::TimedOut),
    };
    let limit = page::limit(request.limit)?;
    let token = page::decode(&request.cursor)?.unwrap_or_default();
    let limit = i32::try_from(limit).unwrap_or(page::MAX_LIMIT);
    let (runs, next) = workflows.list(state, limit, token).await?;
    Ok(WorkflowRunPage {
        items: runs.into_iter().map(|run| shown(temporal, run)).collect(),
        next_cursor: next.and_then(|token| page::encode(&token)),
    })
}

fn shown(temporal: &config::Temporal, run: ListedRun) -> WorkflowRun {
    let state = match run.state {
        RunState::Running => WorkflowState::Running,
        RunState::Completed => WorkflowState::Completed,
        RunState::Failed => WorkflowState::Failed,
        RunState::Cancelled => WorkflowState::Cancelled,
        RunState::Terminated => WorkflowState::Terminated,
        RunState::TimedOut => WorkflowState::TimedOut,
    };
    let stamp = |seconds: i64| prost_types::Timestamp { seconds, nanos: 0 };
    WorkflowRun {
        temporal_url: temporal.workflow_link(&run.workflow_id, Some(&run.run_id)),
        workflow_id: run.workflow_id,
        run_id: run.run_id,
        r#type: run.workflow_type,
        state: state.into(),
        started_at: run.started_at.map(stamp),
        finished_at: run.finished_at.map(stamp),
    }
}
