//! The status of the latest publish.

use smartcourse_platform::{
    Error, Result,
    grpc::Actor,
    runs::{self, StepRow, problem},
};
use smartcourse_proto::{
    course::{PublishMark, PublishMarks, PublishStatus, Warning},
    ids::CourseId,
    json::timestamp::from_time,
};
use smartcourse_workflows::activities::PUBLISHING;

use crate::{
    State,
    ops::workers,
    store::{self, AttemptRow, Owner},
};

pub(crate) async fn get(state: &State, actor: Actor, course_id: CourseId) -> Result<PublishStatus> {
    let Some((owner, attempt, rows)) = latest(state, course_id).await? else {
        let course = store::course(&state.pool, course_id).await?;
        course.require_owner(actor)?;
        return Err(store::never_published());
    };
    owner.require(actor)?;
    let mut status = from_rows(&attempt, &rows)?;
    if attempt.is_open() {
        let living = async { workers::any(state).await.map(Some) };
        state
            .runs
            .add_waiting(&state.pool, &mut status, &rows, living)
            .await?;
    }
    status.temporal_url = state
        .temporal
        .workflow_link(&attempt.workflow_id, status.run_id.as_deref());
    Ok(status)
}

/// Where the latest attempts of courses stand; those that were never published are left out.
pub(crate) async fn marks(state: &State, course_ids: &[i64]) -> Result<PublishMarks> {
    let mut connection = state.reader.connection().await?;
    let items = sqlx::query_as!(
        PublishMark,
        r#"select a.course_id, a.version, a.revision
           from unnest($1::bigint[]) as asked(course_id)
           cross join lateral (select course_id, version, revision from course.publish_attempts
                               where course_id = asked.course_id order by version desc limit 1) a"#,
        course_ids
    )
    .fetch_all(&mut *connection)
    .await?;
    connection.done();
    Ok(PublishMarks { items })
}

/// The latest attempt, whose it is, and its steps: one query, since readers ask again and again.
async fn latest(state: &State, course_id: CourseId) -> Result<Option<(Owner, AttemptRow, Vec<StepRow>)>> {
    let mut connection = state.reader.connection().await?;
    let rows = sqlx::query!(
        r#"select c.instructor_id, c.published_version is not null and not c.archived as "is_live!",
             a.id, a.course_id, a.version, a.draft_key, a.workflow_id, a.run_id, a.state, a.aborted, a.step, a.warnings,
             a.error_code, a.error_message, a.revision, a.accepted_at, a.started_at, a.finished_at,
             s.step as "s_step?", s.state as "s_state?", s.tries as "s_tries?", s.done as "s_done?", s.total as "s_total?",
             s.error_code as "s_error_code?", s.error_message as "s_error_message?", s.started_at as "s_started_at?",
             s.finished_at as "s_finished_at?", s.reported_at as "s_reported_at?"
           from course.publish_attempts a
           join course.courses c on c.id = a.course_id
           left join course.publish_steps s on s.attempt_id = a.id
           where a.id = (select id from course.publish_attempts where course_id = $1 order by version desc limit 1)
           order by s.step"#,
        course_id.0
    )
    .fetch_all(&mut *connection)
    .await?;
    connection.done();
    let mut found: Option<(Owner, AttemptRow, Vec<StepRow>)> = None;
    for row in rows {
        let (_, _, steps) = found.get_or_insert_with(|| {
            let owner = Owner {
                course_id: row.course_id.into(),
                instructor_id: row.instructor_id.into(),
                is_live: row.is_live,
            };
            let attempt = AttemptRow {
                id: row.id,
                course_id: row.course_id.into(),
                version: row.version,
                draft_key: row.draft_key,
                workflow_id: row.workflow_id,
                run_id: row.run_id,
                state: row.state.into(),
                aborted: row.aborted,
                step: row.step,
                warnings: row.warnings,
                error_code: row.error_code,
                error_message: row.error_message,
                revision: row.revision,
                accepted_at: row.accepted_at,
                started_at: row.started_at,
                finished_at: row.finished_at,
            };
            (owner, attempt, Vec::new())
        });
        let (Some(step), Some(state), Some(started_at), Some(reported_at)) =
            (row.s_step, row.s_state, row.s_started_at, row.s_reported_at)
        else {
            // Accepted a moment ago: no step has begun.
            continue;
        };
        steps.push(StepRow {
            step,
            state: state.into(),
            tries: row.s_tries.unwrap_or_default(),
            done: row.s_done.unwrap_or_default(),
            total: row.s_total.unwrap_or_default(),
            error_code: row.s_error_code,
            error_message: row.s_error_message,
            started_at,
            finished_at: row.s_finished_at,
            reported_at,
        });
    }
    Ok(found)
}

fn from_rows(attempt: &AttemptRow, rows: &[StepRow]) -> Result<PublishStatus> {
    let warnings: Vec<Warning> = serde_json::from_value(attempt.warnings.clone())
        .map_err(|error| Error::internal("the warnings of an attempt are broken").because(error))?;
    let declared = PUBLISHING.steps.iter().map(|step| (step.name, step.label));
    Ok(PublishStatus {
        workflow_id: attempt.workflow_id.clone(),
        run_id: attempt.run_id.clone(),
        version: attempt.version,
        started_at: attempt.started_at.map(from_time),
        finished_at: attempt.finished_at.map(from_time),
        warnings,
        error: problem(attempt.error_code.as_ref(), attempt.error_message.as_ref()),
        course_id: attempt.course_id.0,
        attempt_id: attempt.id.to_string(),
        accepted_at: Some(from_time(attempt.accepted_at)),
        revision: attempt.revision,
        ..runs::from_rows(attempt.state, attempt.step, declared, rows)
    })
}
