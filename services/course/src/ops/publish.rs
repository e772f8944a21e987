//! Accepting a publish: a version, an attempt and the workflow start in one transaction.

use std::time::Duration;

use smartcourse_platform::{
    Error, Result,
    error::to_json,
    fault,
    grpc::Actor,
    idempotency::IdempotencyKey,
    outbox,
    ports::workflows::{Start, StartOptions},
    postgres::{self, OnConstraint},
};
use smartcourse_proto::{
    course::{PublishAccepted, PublishRequest, RestoreRequest},
    ids::{CourseId, VersionId},
};
use smartcourse_workflows::{
    TASK_QUEUE,
    course_publishing::{self, PublishInput},
};
use sqlx::PgConnection;

use crate::{
    State, codes,
    store::{self, AttemptRow, CourseRow},
};

/// The registered type of the publishing workflow.
pub(crate) const WORKFLOW_TYPE: &str = "CoursePublishing";

/// Publishes the draft as it is now; while a publish is under way, answers that one.
pub(crate) async fn publish(
    state: &State,
    actor: Actor,
    PublishRequest { id, idempotency_key }: PublishRequest,
) -> Result<PublishAccepted> {
    accept(state, actor, id.into(), None, idempotency_key).await
}

/// Publishes a saved version again, as a new version. The draft stays as it is. Fails with `publish_running` while
/// something else is published.
pub(crate) async fn restore(
    state: &State,
    actor: Actor,
    RestoreRequest {
        course_id,
        version,
        idempotency_key,
    }: RestoreRequest,
) -> Result<PublishAccepted> {
    accept(state, actor, course_id.into(), Some(version), idempotency_key).await
}

async fn accept(
    state: &State,
    actor: Actor,
    course_id: CourseId,
    restored: Option<i32>,
    key: Option<String>,
) -> Result<PublishAccepted> {
    let this = restored.map_or_else(|| "draft".to_owned(), |version| version.to_string());
    let key = key.map(|key| IdempotencyKey::new(format!("publish:{course_id}"), key, this));
    let mut tx = postgres::begin(&state.pool).await?;
    let course = store::lock_course(&mut tx, course_id).await?;
    course.require_owner(actor)?;
    // Asked again after it has ended, the draft would be published twice.
    if let Some(key) = &key
        && let Some(earlier) = key.earlier(&mut tx).await?
    {
        return Ok(earlier);
    }
    let attempt = open_attempt(state, &mut tx, &course, restored).await?;
    let accepted = accepted(attempt);
    if let Some(key) = &key {
        key.remember(&mut tx, &accepted).await?;
    }
    fault::commit(tx, "course.publish").await?;
    Ok(accepted)
}

/// The attempt that is under way, or a new one.
async fn open_attempt(
    state: &State,
    tx: &mut PgConnection,
    course: &CourseRow,
    restored: Option<i32>,
) -> Result<AttemptRow> {
    let course_id = course.id;
    if course.archived {
        return Err(Error::new(
            &codes::COURSE_ARCHIVED,
            "the course is archived; set its status to draft first",
        ));
    }
    let draft_key = match restored {
        None => course.draft_key.clone(),
        Some(version) => saved(&mut *tx, course_id, version).await?,
    };
    if let Some(open) = store::open_attempt(&mut *tx, course_id).await? {
        // Answered with another publish, a restore would be lost.
        if restored.is_some() && open.draft_key != draft_key {
            return Err(running());
        }
        return Ok(open);
    }
    let version = course.last_version + 1;
    let workflow_id = course_publishing::workflow_id(VersionId { course_id, version });
    let attempt = insert_attempt(tx, course, &draft_key, &workflow_id, None).await?;
    outbox::put_start(tx, &start(state, course, &attempt)?).await?;
    Ok(attempt)
}

/// The key of the document of a version that was published.
async fn saved(tx: &mut PgConnection, course_id: CourseId, version: i32) -> Result<String> {
    let key = sqlx::query_scalar!(
        "select document_key from course.versions where course_id = $1 and version = $2 and state = 'published'",
        course_id.0,
        version
    )
    .fetch_optional(tx)
    .await?;
    key.ok_or_else(|| {
        Error::new(
            &codes::NOT_FOUND,
            format!("version {version} was never published"),
        )
    })
}

fn running() -> Error {
    Error::new(
        &codes::PUBLISH_RUNNING,
        "another publish of this course is under way",
    )
}

fn accepted(attempt: AttemptRow) -> PublishAccepted {
    PublishAccepted {
        workflow_id: attempt.workflow_id,
        run_id: attempt.run_id,
        version: attempt.version,
        status_url: format!("/courses/{}/publish", attempt.course_id),
    }
}

/// The start of an attempt's workflow, through the typed contract.
pub(crate) fn start(state: &State, course: &CourseRow, attempt: &AttemptRow) -> Result<Start> {
    let input = PublishInput {
        course_id: course.id,
        attempt_id: Some(attempt.id.to_string()),
        version: Some(attempt.version),
        resumed: attempt.started_at.is_some(),
        settings: state.settings.clone(),
    };
    Ok(Start {
        workflow_id: attempt.workflow_id.clone(),
        workflow_type: WORKFLOW_TYPE.to_owned(),
        task_queue: TASK_QUEUE.to_owned(),
        input: to_json(&input)?,
        options: StartOptions {
            execution_timeout_seconds: state
                .settings
                .execution_timeout()
                .max(Duration::from_secs(60))
                .as_secs(),
            course_id: course.id.0,
            instructor_id: course.instructor_id.0,
            summary: format!(
                "Publish “{}”, version {}",
                shorten(&course.title),
                attempt.version
            ),
            ..StartOptions::default()
        },
    })
}

/// Temporal refuses summaries over 200 bytes.
fn shorten(title: &str) -> String {
    title.chars().take(40).collect()
}

/// Allots the next version and inserts its attempt; `run_id` is set when a raw start makes it.
pub(crate) async fn insert_attempt(
    tx: &mut PgConnection,
    course: &CourseRow,
    draft_key: &str,
    workflow_id: &str,
    run_id: Option<&str>,
) -> Result<AttemptRow> {
    let version = course.last_version + 1;
    sqlx::query!(
        "update course.courses set last_version = $2 where id = $1",
        course.id.0,
        version
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query_as!(
        AttemptRow,
        "insert into course.publish_attempts (id, course_id, version, draft_key, workflow_id, run_id, state, started_at)
         values ($1, $2, $3, $4, $5, $6::text, case when $6::text is null then 'accepted' else 'running' end,
                 case when $6::text is null then null else now() end) returning *",
        uuid::Uuid::now_v7(),
        course.id.0,
        version,
        draft_key,
        workflow_id,
        run_id
    )
    .fetch_one(tx)
    .await
    .on_constraint("publish_attempts_one_open", running)
}
