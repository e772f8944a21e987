//! Runs of workflows, as Temporal knows them.

use smartcourse_platform::{
    Result, config, page,
    ports::workflows::{ListedRun, RunState},
};
use smartcourse_proto::operations::{WorkflowRun, WorkflowRunPage, WorkflowRunsRequest, WorkflowState};

use crate::State;

/// Runs of workflows, newest first.
pub(crate) async fn list(state: &State, request: WorkflowRunsRequest) -> Result<WorkflowRunPage> {
    let wanted = match request.state() {
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
    let (runs, next) = state.workflows.list(wanted, limit, token).await?;
    Ok(WorkflowRunPage {
        items: runs.into_iter().map(|run| shown(&state.temporal, run)).collect(),
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
