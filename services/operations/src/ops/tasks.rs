//! Background tasks that were given up.

use smartcourse_platform::{
    Error, Result,
    error::codes,
    page,
    tasks::dead::{self, Dead},
};
use smartcourse_proto::{
    json::timestamp::from_time,
    operations::{FailedTask, FailedTaskPage, FailedTasksRequest, ReplayTaskRequest, ReplayedTask},
};
use uuid::Uuid;

use crate::State;

/// Tasks that were given up, the latest first.
pub(crate) async fn list(state: &State, request: FailedTasksRequest) -> Result<FailedTaskPage> {
    let limit = page::limit(request.limit)?;
    let after = page::decode(&request.cursor)?;
    let mut items = dead::list(&state.pool, request.kind.as_deref(), after, limit + 1).await?;
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
pub(crate) async fn replay(state: &State, request: ReplayTaskRequest) -> Result<ReplayedTask> {
    let missing = || Error::new(&codes::NOT_FOUND, "no task with this id was given up");
    let id: Uuid = request.id.parse().map_err(|_| missing())?;
    if !dead::replay(&state.pool, id).await? {
        return Err(missing());
    }
    Ok(ReplayedTask { id: request.id })
}
