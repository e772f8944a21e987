//! Where a generation stands, from its rows alone.

use smartcourse_platform::Result;
use smartcourse_proto::{
    assistant::{Generation, GenerationRef},
    common::Problem,
    course::{PublishState, PublishStep, StepState},
    json::timestamp::from_time,
};
use smartcourse_workflows::activities::GENERATING;
use sqlx::types::time::OffsetDateTime;

use super::store::{self, Row};
use crate::State;

/// A row of `assistant.generation_steps`.
struct Step {
    step: i32,
    state: StepState,
    tries: i32,
    done: i32,
    total: i32,
    error_code: Option<String>,
    error_message: Option<String>,
    started_at: OffsetDateTime,
    finished_at: Option<OffsetDateTime>,
}

/// A generation, with its draft once it is completed.
pub(crate) async fn get(state: &State, generation: GenerationRef) -> Result<Generation> {
    let row = store::read(&state.pool, &generation).await?;
    let steps = sqlx::query_as!(
        Step,
        "select step, state, tries, done, total, error_code, error_message, started_at, finished_at
         from assistant.generation_steps where generation_id = $1 order by step",
        row.id
    )
    .fetch_all(&state.pool)
    .await?;
    Ok(shown(row, &steps))
}

fn problem(code: Option<String>, message: Option<String>) -> Option<Problem> {
    code.map(|code| Problem {
        code,
        message: message.unwrap_or_default(),
    })
}

fn shown(row: Row, known: &[Step]) -> Generation {
    let of = |number: u8| known.iter().find(|step| step.step == i32::from(number));
    let completed = row.state == PublishState::Completed;
    let steps = GENERATING.steps.iter().map(|step| {
        let found = of(step.number);
        let reached = i32::from(step.number) <= row.step;
        let state = match found {
            _ if completed => StepState::Completed,
            Some(found) => found.state,
            None if reached => StepState::Running,
            None => StepState::Pending,
        };
        PublishStep {
            name: step.name.to_owned(),
            label: step.label.to_owned(),
            state: state.into(),
            attempts: found.map_or(0, |found| found.tries),
            started_at: found.map(|found| from_time(found.started_at)),
            finished_at: found.and_then(|found| found.finished_at).map(from_time),
            error: found.and_then(|found| problem(found.error_code.clone(), found.error_message.clone())),
        }
    });
    let steps: Vec<PublishStep> = steps.collect();
    let current = known.iter().find(|step| step.step == row.step);
    let total_steps = i32::try_from(GENERATING.steps.len()).unwrap_or(i32::MAX);
    let within = current
        .filter(|step| step.total > 0)
        .map_or(0, |step| 100 * step.done / step.total);
    let percent = match completed {
        true => 100,
        false => ((row.step - 1).max(0) * 100 + within).min(99 * total_steps) / total_steps,
    };
    Generation {
        label: GENERATING
            .label(u8::try_from(row.step).unwrap_or_default())
            .to_owned(),
        attempt: current.map_or(0, |step| step.tries),
        step: row.step,
        total_steps,
        percent,
        steps,
        generation_id: row.id,
        course_id: row.course_id,
        kind: row.kind.into(),
        version: row.version,
        lesson_ids: row.lesson_ids,
        workflow_id: row.workflow_id,
        state: row.state.into(),
        error: problem(row.error_code, row.error_message),
        draft: row.draft.map(|draft| draft.0),
        accepted_at: Some(from_time(row.accepted_at)),
        started_at: row.started_at.map(from_time),
        finished_at: row.finished_at.map(from_time),
        lesson_id: row.lesson_id,
        revision: row.revision,
    }
}
