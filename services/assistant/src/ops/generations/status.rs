//! Where a generation stands.

use smartcourse_platform::{
    Result,
    grpc::Actor,
    runs::{self, StepRow, problem},
};
use smartcourse_proto::{
    assistant::{Generation, GenerationRef},
    course::{PublishState, PublishStatus, StepState},
    json::timestamp::from_time,
};
use smartcourse_workflows::activities::GENERATING;

use super::store;
use crate::State;

/// A generation, with its draft once it is completed.
pub(crate) async fn get(state: &State, generation: GenerationRef) -> Result<Generation> {
    let row = store::read(&state.pool, &generation).await?;
    let steps = sqlx::query_as!(
        StepRow,
        r#"select step, state, tries, done, total, error_code, error_message, started_at, finished_at,
             coalesce(finished_at, started_at) as "reported_at!"
           from assistant.generation_steps where generation_id = $1 order by step"#,
        row.id
    )
    .fetch_all(&state.pool)
    .await?;
    let declared = GENERATING.steps.iter().map(|step| (step.name, step.label));
    let mut status = PublishStatus {
        workflow_id: row.workflow_id.clone(),
        accepted_at: Some(from_time(row.accepted_at)),
        error: problem(row.error_code.as_ref(), row.error_message.as_ref()),
        ..runs::from_rows(row.state, row.step, declared, &steps)
    };
    if row.is_open() {
        state
            .runs
            .add_waiting(&state.pool, &mut status, &steps, living(state))
            .await?;
    }
    if row.state == PublishState::Completed {
        // Nobody reports that the last one is done.
        for step in &mut status.steps {
            step.set_state(StepState::Completed);
        }
    }
    Ok(Generation {
        generation_id: row.id,
        course_id: row.course_id,
        kind: row.kind.into(),
        version: row.version,
        lesson_ids: row.lesson_ids,
        workflow_id: status.workflow_id,
        state: status.state,
        step: status.step,
        total_steps: status.total_steps,
        label: status.label,
        percent: status.percent,
        attempt: status.attempt,
        steps: status.steps,
        error: status.error,
        draft: row.draft.map(|draft| draft.0),
        accepted_at: status.accepted_at,
        started_at: row.started_at.map(from_time),
        finished_at: row.finished_at.map(from_time),
        lesson_id: row.lesson_id,
        revision: row.revision,
        waiting_for: status.waiting_for,
        next_retry_at: status.next_retry_at,
        heartbeat_age_seconds: status.heartbeat_age_seconds,
    })
}

/// Whether any worker lives; nobody can say while the course service is away, or of the release before.
async fn living(state: &State) -> Result<Option<bool>> {
    let workers = state.course.get_workers(Actor::Service.request(())).await;
    let living =
        workers.inspect_err(|error| tracing::debug!(%error, "nobody can say whether a worker lives"));
    Ok(living.ok().map(|workers| workers.living))
}
