//! What the reconciler needs: the attempts that are still open, and a new start for one whose workflow is gone.

use smartcourse_platform::{
    Result,
    error::to_json,
    outbox,
    ports::workflows::{AfterCompletion, Start, StartOptions},
    postgres,
};
use smartcourse_proto::{
    common::{Restarted, VersionRef},
    course::{ListOpenAttemptsRequest, OpenAttempt, OpenAttempts, PublishState, RestartAttemptRequest},
    json::timestamp::from_time,
};
use smartcourse_workflows::{
    TASK_QUEUE,
    publish_cleanup::{self, CleanupInput},
};

use crate::{State, ops::publish, store};

/// Attempts whose start was handed over and that have not ended.
pub(crate) async fn open_attempts(state: &State, request: ListOpenAttemptsRequest) -> Result<OpenAttempts> {
    let rows = sqlx::query!(
        "select id, course_id, version, workflow_id, run_id, state, accepted_at from course.publish_attempts
         where state in ('accepted', 'running', 'cancelling') and accepted_at < now() - make_interval(secs => $1)
         order by accepted_at",
        f64::from(request.older_than_seconds)
    )
    .fetch_all(&state.pool)
    .await?;
    let mut items = Vec::new();
    for row in rows {
        if !outbox::start_waits(&state.pool, &row.workflow_id).await? {
            items.push(OpenAttempt {
                attempt_id: row.id.to_string(),
                course_id: row.course_id,
                version: row.version,
                workflow_id: row.workflow_id,
                run_id: row.run_id,
                state: PublishState::from(row.state).into(),
                accepted_at: Some(from_time(row.accepted_at)),
            });
        }
    }
    Ok(OpenAttempts { items })
}

/// Starts the workflow of an attempt again, or the clean-up of what it left behind; nothing for one that has ended or gone on.
pub(crate) async fn restart(state: &State, request: RestartAttemptRequest) -> Result<Restarted> {
    let mut tx = postgres::begin(&state.pool).await?;
    let (course, attempt) = store::lock_attempt(&mut tx, &request.attempt_id).await?;
    if !attempt.is_open() || attempt.run_id != request.run_id {
        return Ok(Restarted::default());
    }
    let start = match request.cleanup_reason {
        None => {
            sqlx::query!(
                "update course.publish_attempts set run_id = null, step = 0, revision = revision + 1,
                     state = case when state = 'running' then 'accepted' else state end where id = $1",
                attempt.id
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "delete from course.publish_steps where attempt_id = $1",
                attempt.id
            )
            .execute(&mut *tx)
            .await?;
            let mut start = publish::start(state, &course, &attempt)?;
            // Its id may be that of a run which completed before the database was put back to an earlier day.
            start.options.after_completion = AfterCompletion::StartAgain;
            start
        }
        Some(reason) => {
            let input = CleanupInput {
                target: VersionRef {
                    attempt_id: attempt.id.to_string(),
                    course_id: course.id.0,
                    version: attempt.version,
                },
                code: reason.code,
                message: reason.message,
                cancelled: attempt.state == PublishState::Cancelling,
            };
            Start {
                workflow_id: publish_cleanup::workflow_id(&attempt.id.to_string()),
                workflow_type: "PublishCleanup".to_owned(),
                task_queue: TASK_QUEUE.to_owned(),
                input: to_json(&input)?,
                options: StartOptions {
                    execution_timeout_seconds: state.settings.execution_timeout().as_secs(),
                    course_id: course.id.0,
                    instructor_id: course.instructor_id.0,
                    summary: format!(
                        "Undo the publish of course {} version {}",
                        course.id, attempt.version
                    ),
                    ..StartOptions::default()
                },
            }
        }
    };
    let restarted = !outbox::start_waits(&state.pool, &start.workflow_id).await?;
    if restarted {
        outbox::put_start(&mut tx, &start).await?;
    }
    tx.commit().await?;
    Ok(Restarted { restarted })
}
