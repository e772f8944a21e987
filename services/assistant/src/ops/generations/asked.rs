//! Asking for a draft, and taking that back.

use smartcourse_platform::{
    Error, Result,
    error::{Problems, to_json},
    fault,
    grpc::Actor,
    idempotency::IdempotencyKey,
    outbox,
    ports::workflows::{Start, StartOptions},
    postgres,
};
use smartcourse_proto::{
    Wire as _,
    assistant::{DraftKind, GenerateRequest, Generation, GenerationAccepted, GenerationRef},
    course::{LivePointersRequest, PublishState},
    limits,
};
use smartcourse_workflows::{
    TASK_QUEUE,
    generate_draft::{self, GenerateInput},
    policy::Settings,
};

use super::{
    status,
    store::{self, Row},
};
use crate::{State, codes};

/// The registered type of the workflow.
const WORKFLOW_TYPE: &str = "GenerateDraft";
/// Lessons a draft may be made of.
pub(super) const LESSONS: usize = 500;
/// Drafts of a course that are made at the same time.
const AT_ONCE: i64 = 3;
/// Tries of an activity: nobody waits for hours, and it can be asked for again.
const TRIES: u32 = 20;

/// Accepts a generation and asks for its workflow, in one transaction. Whose course it is was decided by the gateway.
pub(crate) async fn generate(
    state: &State,
    actor: Actor,
    request: GenerateRequest,
) -> Result<GenerationAccepted> {
    let user = actor.user()?;
    let mut problems = Problems::default();
    problems.require(
        request.kind() != DraftKind::Unspecified,
        "kind",
        "must be summary, objectives, quiz or glossary",
    );
    problems.require(
        request.lesson_ids.len() <= LESSONS,
        "lesson_ids",
        format!("must be at most {LESSONS}"),
    );
    for id in &request.lesson_ids {
        problems.words("lesson_ids", id, limits::PART_ID);
    }
    problems.finish()?;
    let course_id = request.course_id;
    let pointers = LivePointersRequest {
        course_ids: vec![course_id],
        instructor_id: None,
    };
    let live = state
        .course
        .get_live_pointers(Actor::Service.request(pointers))
        .await?;
    let this = format!("{} {:?}", request.kind().as_text(), request.lesson_ids);
    let key = request.idempotency_key.clone();
    let key = key.map(|key| IdempotencyKey::new(format!("generate:{course_id}"), key, this));
    let mut tx = postgres::begin(&state.pool).await?;
    // One after the other, so that the number of those under way holds.
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('assistant.generate', $1))")
        .bind(course_id)
        .execute(&mut *tx)
        .await?;
    if let Some(key) = &key
        && let Some(earlier) = key.earlier(&mut tx).await?
    {
        return Ok(earlier);
    }
    let live = live.items.first().ok_or_else(|| {
        Error::new(
            &codes::NOT_PUBLISHED,
            "the course has no published version to make a draft of",
        )
    })?;
    let open = sqlx::query_scalar!(
        r#"select count(*) as "count!" from assistant.generations
           where course_id = $1 and state in ('accepted', 'running', 'cancelling')"#,
        course_id
    )
    .fetch_one(&mut *tx)
    .await?;
    if open >= AT_ONCE {
        let detail = format!("{AT_ONCE} drafts of this course are made already");
        return Err(Error::new(&codes::TOO_MANY_GENERATIONS, detail));
    }
    let id = format!("g-{}", uuid::Uuid::now_v7().simple());
    let workflow_id = generate_draft::workflow_id(&id);
    sqlx::query!(
        "insert into assistant.generations (id, course_id, version, kind, lesson_ids, workflow_id, asked_by)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id,
        course_id,
        live.version,
        request.kind().as_text(),
        &request.lesson_ids,
        workflow_id,
        user.0
    )
    .execute(&mut *tx)
    .await?;
    let generation = GenerationRef {
        course_id,
        generation_id: id.clone(),
    };
    let row = store::read(&mut *tx, &generation).await?;
    outbox::put_start(&mut tx, &start(&row)?).await?;
    let accepted = GenerationAccepted {
        status_url: format!("/courses/{course_id}/generate/{id}"),
        generation_id: id,
        workflow_id,
        version: live.version,
    };
    if let Some(key) = &key {
        key.remember(&mut tx, &accepted).await?;
    }
    fault::commit(tx, "assistant.generate").await?;
    Ok(accepted)
}

/// The start of a generation's workflow.
pub(super) fn start(row: &Row) -> Result<Start> {
    let settings = Settings {
        retry_attempts: TRIES,
        ..Settings::default()
    };
    let input = GenerateInput {
        generation: row.key(),
        settings: settings.clone(),
    };
    Ok(Start {
        workflow_id: row.workflow_id.clone(),
        workflow_type: WORKFLOW_TYPE.to_owned(),
        task_queue: TASK_QUEUE.to_owned(),
        input: to_json(&input)?,
        options: StartOptions {
            execution_timeout_seconds: settings.execution_timeout().as_secs(),
            course_id: row.course_id,
            summary: format!(
                "Make a {} of course {}, version {}",
                row.kind.as_text(),
                row.course_id,
                row.version
            ),
            ..StartOptions::default()
        },
    })
}

/// Takes a generation back: before its workflow begins it ends here, later the workflow records its end.
pub(crate) async fn cancel(state: &State, generation: GenerationRef) -> Result<Generation> {
    let mut tx = postgres::begin(&state.pool).await?;
    let row = store::lock(&mut tx, &generation).await?;
    match row.state {
        PublishState::Accepted
            if row.started_at.is_none() && outbox::withdraw_start(&mut tx, &row.workflow_id).await? =>
        {
            sqlx::query!(
                "update assistant.generations set state = 'cancelled', finished_at = now(), revision = revision + 1,
                     error_code = 'generation_cancelled', error_message = 'It was cancelled before it began.' where id = $1",
                row.id
            )
            .execute(&mut *tx)
            .await?;
        }
        PublishState::Accepted | PublishState::Running => {
            sqlx::query!(
                "update assistant.generations set state = 'cancelling', revision = revision + 1 where id = $1",
                row.id
            )
            .execute(&mut *tx)
            .await?;
            outbox::put_cancel(&mut tx, &row.workflow_id).await?;
        }
        PublishState::Cancelling => {}
        other => return Err(store::closed(other)),
    }
    fault::commit(tx, "assistant.cancel_generation").await?;
    status::get(state, generation).await
}
