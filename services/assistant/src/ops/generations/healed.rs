//! What the reconciler needs: generations that are still open, and a new start for one whose workflow is gone.

use smartcourse_platform::{Result, outbox, ports::workflows::AfterCompletion, postgres};
use smartcourse_proto::{
    assistant::{
        FinishGenerationRequest, GenerationRef, ListOpenGenerationsRequest, OpenGeneration, OpenGenerations,
        RestartGenerationRequest,
    },
    common::Restarted,
    course::PublishState,
};

use super::{asked, made, store};
use crate::State;

/// Generations whose start was handed over and that have not ended.
pub(crate) async fn open(state: &State, request: ListOpenGenerationsRequest) -> Result<OpenGenerations> {
    let rows = sqlx::query!(
        "select id, course_id, workflow_id, run_id from assistant.generations
         where state in ('accepted', 'running', 'cancelling') and accepted_at < now() - make_interval(secs => $1) order by accepted_at",
        f64::from(request.older_than_seconds)
    )
    .fetch_all(&state.pool)
    .await?;
    let mut items = Vec::new();
    for row in rows {
        if !outbox::start_waits(&state.pool, &row.workflow_id).await? {
            items.push(OpenGeneration {
                generation: Some(GenerationRef {
                    course_id: row.course_id,
                    generation_id: row.id,
                }),
                workflow_id: row.workflow_id,
                run_id: row.run_id,
            });
        }
    }
    Ok(OpenGenerations { items })
}

/// Starts the workflow of a generation again; one that was being cancelled ends here. Nothing for one that has ended or gone on.
pub(crate) async fn restart(state: &State, request: RestartGenerationRequest) -> Result<Restarted> {
    let generation = store::named(request.generation)?;
    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock(&mut tx, &generation).await?;
    if !row.is_open()
        || row.run_id != request.run_id
        || outbox::start_waits(&state.pool, &row.workflow_id).await?
    {
        return Ok(Restarted::default());
    }
    if row.state == PublishState::Cancelling {
        tx.rollback().await?;
        let end = FinishGenerationRequest {
            generation: Some(generation),
            state: PublishState::Cancelled.into(),
            error: None,
        };
        made::finish(state, end).await?;
        return Ok(Restarted { restarted: true });
    }
    sqlx::query!(
        "delete from assistant.generation_steps where generation_id = $1",
        row.id
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update assistant.generations set run_id = null, step = 0, state = 'accepted', revision = revision + 1 where id = $1",
        row.id
    )
    .execute(&mut *tx)
    .await?;
    let mut start = asked::start(&row)?;
    start.options.after_completion = AfterCompletion::StartAgain;
    outbox::put_start(&mut tx, &start).await?;
    tx.commit().await?;
    Ok(Restarted { restarted: true })
}
