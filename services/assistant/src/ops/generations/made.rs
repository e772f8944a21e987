//! What the workflow does to its generation: begin, read, draft, put together, finish, report. Each may come twice and has one effect.

use smartcourse_platform::{Error, Result, error::Problems, fault, grpc::Actor, postgres};
use smartcourse_proto::{
    Wire as _,
    assistant::{
        BeginGenerationRequest, DraftLessonRequest, Drafted, DraftedPart, FinishGenerationRequest,
        GenerationPlan, GenerationRef,
    },
    common::VersionRef,
    content::ReadLessonRequest,
    course::{PublishState, ReportStepRequest},
};
use sqlx::types::Json;

use super::{store, written};
use crate::{
    State, codes,
    drafting::{self, Lesson},
};

/// Moves it from accepted to running for one run.
pub(crate) async fn begin(state: &State, request: BeginGenerationRequest) -> Result<()> {
    let generation = store::named(request.generation)?;
    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock(&mut tx, &generation).await?;
    let same_run = row.run_id.as_deref() == Some(request.run_id.as_str());
    if !row.is_open() || row.run_id.is_some() && !same_run {
        return Err(store::closed(row.state));
    }
    sqlx::query!(
        "update assistant.generations set run_id = $2, started_at = coalesce(started_at, now()), revision = revision + 1,
             state = case when state = 'accepted' then 'running' else state end where id = $1",
        row.id,
        request.run_id
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "assistant.begin_generation").await
}

/// The lessons it is made of: those that were named, or all that have a text.
pub(crate) async fn plan(state: &State, generation: GenerationRef) -> Result<GenerationPlan> {
    let row = store::read(&state.pool, &generation).await?;
    row.require_open()?;
    let version = VersionRef {
        course_id: row.course_id,
        version: row.version,
        ..VersionRef::default()
    };
    let readable = state
        .content
        .list_readable_lessons(Actor::Service.request(version))
        .await?;
    let mut lesson_ids = readable.lesson_ids;
    if !row.lesson_ids.is_empty() {
        if let Some(unknown) = row.lesson_ids.iter().find(|id| !lesson_ids.contains(id)) {
            let detail = format!("the published version has no lesson `{unknown}` with a text");
            return Err(Problems::one("lesson_ids", detail));
        }
        lesson_ids.retain(|id| row.lesson_ids.contains(id));
    }
    lesson_ids.truncate(super::asked::LESSONS);
    Ok(GenerationPlan { lesson_ids })
}

/// Keeps what one lesson gives.
pub(crate) async fn draft_lesson(state: &State, request: DraftLessonRequest) -> Result<()> {
    let generation = store::named(request.generation)?;
    let row = store::read(&state.pool, &generation).await?;
    row.require_open()?;
    if is_kept(state, &row.id, &request.lesson_id).await? {
        return Ok(());
    }
    let read = ReadLessonRequest {
        course_id: row.course_id,
        version: row.version,
        lesson_id: request.lesson_id.clone(),
    };
    let passages = state.content.read_lesson(Actor::Service.request(read)).await?;
    let (kind, language) = (row.kind, passages.language.clone());
    // Long lessons take longer than the reactor's threads should be kept from others.
    let quoted = tokio::task::spawn_blocking(move || {
        let lesson = Lesson::of(&passages);
        (
            drafting::of_lesson(kind, &lesson),
            drafting::to_be_told(kind, &lesson),
        )
    });
    let quoted = quoted.await;
    let (quoted, passages) =
        quoted.map_err(|error| Error::internal("a lesson could not be drafted").because(error))?;
    let written = match passages.is_empty() {
        true => Vec::new(),
        false => written::summary(state, &row, &passages, &language).await?,
    };
    let part = match written.is_empty() {
        true => DraftedPart {
            items: quoted,
            language,
            ..DraftedPart::default()
        },
        false => DraftedPart {
            items: written,
            language,
            engine: state.answerer.name().to_owned(),
        },
    };
    let mut tx = postgres::begin(&state.pool).await?;
    store::lock(&mut tx, &generation).await?.require_open()?;
    sqlx::query!(
        "insert into assistant.generation_parts (generation_id, lesson_id, position, part) values ($1, $2, $3, $4)
         on conflict (generation_id, lesson_id) do update set position = excluded.position, part = excluded.part",
        row.id,
        request.lesson_id,
        i32::try_from(request.done).unwrap_or(i32::MAX),
        Json(&part) as _
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "assistant.draft_lesson").await
}

/// Whether a try before has kept what the lesson gives.
async fn is_kept(state: &State, generation_id: &str, lesson_id: &str) -> Result<bool> {
    let is_kept = sqlx::query_scalar!(
        r#"select exists (select 1 from assistant.generation_parts where generation_id = $1 and lesson_id = $2) as "is_kept!""#,
        generation_id,
        lesson_id
    );
    Ok(is_kept.fetch_one(&state.pool).await?)
}

/// Makes the draft of what its lessons gave.
pub(crate) async fn complete(state: &State, generation: GenerationRef) -> Result<()> {
    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock(&mut tx, &generation).await?;
    if row.state == PublishState::Completed {
        return Ok(());
    }
    row.require_open()?;
    let parts = sqlx::query_scalar!(
        r#"select part as "part: Json<DraftedPart>" from assistant.generation_parts where generation_id = $1 order by position"#,
        row.id
    )
    .fetch_all(&mut *tx)
    .await?;
    let language = parts
        .first()
        .map(|part| part.language.clone())
        .unwrap_or_default();
    let engine = parts.iter().find(|part| !part.engine.is_empty());
    let engine = engine.map(|part| part.engine.clone());
    let items: Vec<Drafted> = parts.into_iter().flat_map(|part| part.0.items).collect();
    let mut draft = drafting::draft(row.kind, &language, items).ok_or_else(|| {
        let detail = format!(
            "the lessons say nothing that a {} can be made of",
            row.kind.as_text()
        );
        Error::new(&codes::NOTHING_TO_DRAFT, detail)
    })?;
    draft.engine = engine;
    sqlx::query!(
        "update assistant.generations set state = 'completed', draft = $2, finished_at = now(), revision = revision + 1 where id = $1",
        row.id,
        Json(&draft) as _
    )
    .execute(&mut *tx)
    .await?;
    end(&mut tx, &row.id).await?;
    fault::commit(tx, "assistant.complete_generation").await
}

/// Records that it failed or was cancelled.
pub(crate) async fn finish(state: &State, request: FinishGenerationRequest) -> Result<()> {
    let requested = request.state();
    let generation = store::named(request.generation)?;
    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock(&mut tx, &generation).await?;
    if !row.is_open() {
        return Ok(());
    }
    // One that its owner took back ends cancelled, whatever failed meanwhile.
    let is_cancelled = requested == PublishState::Cancelled || row.state == PublishState::Cancelling;
    let (end_state, code, message) = match (is_cancelled, request.error) {
        (true, _) => (
            PublishState::Cancelled,
            "generation_cancelled".to_owned(),
            "It was cancelled.".to_owned(),
        ),
        (false, Some(error)) => (PublishState::Failed, error.code, error.message),
        (false, None) => (PublishState::Failed, "internal".to_owned(), String::new()),
    };
    sqlx::query!(
        "update assistant.generations set state = $2, error_code = $3, error_message = $4, finished_at = now(), revision = revision + 1
         where id = $1",
        row.id,
        end_state.as_text(),
        code,
        message
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "update assistant.generation_steps set state = $2, finished_at = now() where generation_id = $1 and state <> 'completed'",
        row.id,
        end_state.as_text()
    )
    .execute(&mut *tx)
    .await?;
    end(&mut tx, &row.id).await?;
    fault::commit(tx, "assistant.finish_generation").await
}

/// What was kept for the making of a draft is of no use after it.
async fn end(tx: &mut sqlx::PgConnection, id: &str) -> Result<()> {
    sqlx::query!(
        "delete from assistant.generation_parts where generation_id = $1",
        id
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Records where a step stands. Steps below the reported one are done; a report after the end is ignored.
pub(crate) async fn report(state: &State, request: ReportStepRequest) -> Result<()> {
    let step_state = request.state();
    let (code, message) = request.error.map(|error| (error.code, error.message)).unzip();
    sqlx::query!(
        "with open as (
             update assistant.generations set step = greatest(step, $2), revision = revision + 1
             where id = $1 and state in ('running', 'cancelling') returning id),
         before as (
             update assistant.generation_steps set state = 'completed', finished_at = coalesce(finished_at, now()), done = total,
                 error_code = null, error_message = null
             where generation_id in (select id from open) and step < $2 and state <> 'completed')
         insert into assistant.generation_steps as known (generation_id, step, state, tries, done, total, error_code, error_message)
         select id, $2, $3, $4, $5, $6, $7, $8 from open
         on conflict (generation_id, step) do update set state = excluded.state, tries = greatest(known.tries, excluded.tries),
             done = greatest(known.done, excluded.done), total = greatest(known.total, excluded.total),
             error_code = excluded.error_code, error_message = excluded.error_message",
        request.attempt_id,
        request.step,
        step_state.as_text(),
        request.attempt.max(1),
        request.done,
        request.total,
        code,
        message
    )
    .execute(&state.pool)
    .await?;
    Ok(())
}
