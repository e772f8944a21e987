//! Rows of generations.

use std::time::Duration;

use smartcourse_platform::{Error, Result};
use smartcourse_proto::{
    Wire as _,
    assistant::{DraftKind, GeneratedDraft, GenerationRef},
    course::PublishState,
};
use sqlx::{
    PgConnection, PgExecutor, PgPool,
    types::{Json, time::OffsetDateTime},
};

use crate::codes;

/// For how long a generation is kept.
const KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// A row of `assistant.generations`.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) course_id: i64,
    pub(super) version: i32,
    pub(super) kind: DraftKind,
    pub(super) lesson_ids: Vec<String>,
    pub(super) workflow_id: String,
    pub(super) run_id: Option<String>,
    pub(super) state: PublishState,
    pub(super) step: i32,
    pub(super) error_code: Option<String>,
    pub(super) error_message: Option<String>,
    pub(super) draft: Option<Json<GeneratedDraft>>,
    pub(super) lesson_id: Option<String>,
    pub(super) revision: i64,
    pub(super) accepted_at: OffsetDateTime,
    pub(super) started_at: Option<OffsetDateTime>,
    pub(super) finished_at: Option<OffsetDateTime>,
    pub(super) asked_by: Option<i64>,
}

impl Row {
    pub(super) fn is_open(&self) -> bool {
        !self.state.has_ended()
    }

    pub(super) fn key(&self) -> GenerationRef {
        GenerationRef {
            course_id: self.course_id,
            generation_id: self.id.clone(),
        }
    }

    /// Refuses work for one that is over.
    pub(super) fn require_open(&self) -> Result<()> {
        match self.is_open() {
            true => Ok(()),
            false => Err(closed(self.state)),
        }
    }
}

pub(super) fn closed(state: PublishState) -> Error {
    Error::new(
        &codes::GENERATION_CLOSED,
        format!("the generation is {}", state.as_text()),
    )
}

fn unknown(generation: &GenerationRef) -> Error {
    let detail = format!("the course has no generation `{}`", generation.generation_id);
    Error::new(&codes::NOT_FOUND, detail)
}

/// A generation of a course.
pub(super) async fn read(executor: impl PgExecutor<'_>, generation: &GenerationRef) -> Result<Row> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, course_id, version, kind, lesson_ids, workflow_id, run_id, state, step, error_code, error_message,
                  draft as "draft: Json<GeneratedDraft>", lesson_id, revision, accepted_at, started_at, finished_at, asked_by
           from assistant.generations where id = $1 and course_id = $2"#,
        generation.generation_id,
        generation.course_id
    )
    .fetch_optional(executor)
    .await?;
    row.ok_or_else(|| unknown(generation))
}

/// The same, locked until the transaction ends.
pub(super) async fn lock(tx: &mut PgConnection, generation: &GenerationRef) -> Result<Row> {
    sqlx::query!(
        "select 1 as one from assistant.generations where id = $1 for update",
        generation.generation_id
    )
    .fetch_optional(&mut *tx)
    .await?;
    read(tx, generation).await
}

/// What a request of the workflow is about.
pub(super) fn named(generation: Option<GenerationRef>) -> Result<GenerationRef> {
    generation.ok_or_else(|| Error::internal("a request names no generation"))
}

/// Forgets what was made long ago; answers how many.
pub(crate) async fn forget(pool: &PgPool) -> Result<u64> {
    let gone = sqlx::query!(
        "delete from assistant.generations where finished_at < now() - make_interval(secs => $1)",
        KEPT.as_secs_f64()
    );
    Ok(gone.execute(pool).await?.rows_affected())
}
