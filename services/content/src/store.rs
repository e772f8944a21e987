//! Rows of schema `content`, the documents beside them, and the lock that orders writes and discards.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    grpc::Actor,
    open_writes::OpenWrite,
    ports::documents::Documents,
    postgres::{self, Tx},
};
use smartcourse_proto::{
    content::Asset,
    course::{Content, Manifest, ManifestRequest, Warning},
    ids::{UserId, VersionId},
    json::timestamp::from_time,
};
use smartcourse_text::SourceKind;
use sqlx::{PgPool, types::time::OffsetDateTime};

use crate::{
    State,
    model::{Chunk, Skip},
};

/// Collection of chunks, one document per lesson of a version.
pub(crate) const CHUNKS: &str = "content.chunks";
/// Documents that are read at once.
pub(crate) const READ_BATCH: usize = 32;

/// Prefix of the chunk documents of a version.
pub(crate) fn chunks_prefix(version: VersionId) -> String {
    format!("{}/v{}/", version.course_id, version.version)
}

/// Key of the chunk document of a lesson.
pub(crate) fn chunks_key(version: VersionId, lesson_id: &str) -> String {
    format!("{}{lesson_id}", chunks_prefix(version))
}

/// Place of the files of a version.
pub(crate) fn files_prefix(version: VersionId) -> String {
    format!("courses/{}/v{}", version.course_id, version.version)
}

/// A transaction under which engines are written to. Until it ends, no discard of the version can begin.
pub(crate) struct Write {
    pub(crate) tx: Tx,
    open: OpenWrite,
}

impl Write {
    /// Begins one. What an engine does for it may come later than its end, so it is known from before it begins.
    pub(crate) async fn begin(state: &State, version: VersionId) -> Result<Self> {
        let open = OpenWrite::open(&state.pool, &scope(version)).await?;
        let tx = begin_write(state, version).await?;
        Ok(Self { tx, open })
    }

    /// Commits; every engine has answered.
    pub(crate) async fn commit(mut self) -> Result<()> {
        self.open.close(&mut self.tx).await?;
        self.tx.commit().await?;
        Ok(())
    }
}

/// Scope of the open writes of a version.
pub(crate) fn scope(version: VersionId) -> String {
    format!("content/{}/{}", version.course_id, version.version)
}

/// Begins the transaction under which rows of a version are written: until it ends, no discard can begin.
pub(crate) async fn begin_write(state: &State, version: VersionId) -> Result<Tx> {
    let mut tx = postgres::begin(&state.pool).await?;
    sqlx::query!(
        "insert into content.versions (course_id, version, model) values ($1, $2, $3) on conflict do nothing",
        version.course_id.0,
        version.version,
        state.deps.embedder.model()
    )
    .execute(&mut *tx)
    .await?;
    let row = sqlx::query_scalar!(
        "select state from content.versions where course_id = $1 and version = $2 for share",
        version.course_id.0,
        version.version
    )
    .fetch_one(&mut *tx)
    .await?;
    refuse_discarded(&row, version)?;
    Ok(tx)
}

fn refuse_discarded(state: &str, version: VersionId) -> Result<()> {
    if state == "discarded" {
        return Err(Error::new(
            &codes::VERSION_DISCARDED,
            format!("version {} was discarded", version.version),
        ));
    }
    Ok(())
}

/// Refuses long work for a discarded version before it begins; the lock at its end decides.
pub(crate) async fn require_open(pool: &PgPool, version: VersionId) -> Result<()> {
    let row = sqlx::query_scalar!(
        "select state from content.versions where course_id = $1 and version = $2",
        version.course_id.0,
        version.version
    )
    .fetch_optional(pool)
    .await?;
    row.map_or(Ok(()), |row| refuse_discarded(&row, version))
}

/// A row of `content.assets`.
#[derive(Debug, Clone)]
pub(crate) struct AssetRow {
    pub(crate) id: String,
    pub(crate) course_id: i64,
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) kind: Option<String>,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: String,
    pub(crate) storage_key: String,
    pub(crate) created_at: OffsetDateTime,
}

impl AssetRow {
    /// How its text is extracted.
    pub(crate) fn kind(&self) -> Option<SourceKind> {
        self.kind.as_deref().and_then(|kind| kind.parse().ok())
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            id: String::new(),
            course_id: 1,
            filename: "a.pdf".to_owned(),
            content_type: "application/pdf".to_owned(),
            kind: None,
            size_bytes: 1,
            sha256: String::new(),
            storage_key: String::new(),
            created_at: OffsetDateTime::UNIX_EPOCH,
        }
    }
}

impl From<AssetRow> for Asset {
    fn from(row: AssetRow) -> Self {
        Self {
            id: row.id,
            filename: row.filename,
            content_type: row.content_type,
            size_bytes: row.size_bytes,
            sha256: row.sha256,
            course_id: row.course_id,
            created_at: Some(from_time(row.created_at)),
        }
    }
}

/// Files of a course by id.
pub(crate) async fn assets(
    connection: impl sqlx::PgExecutor<'_>,
    course_id: i64,
    ids: &[String],
) -> Result<HashMap<String, AssetRow>> {
    let rows = sqlx::query_as!(
        AssetRow,
        "select id, course_id, filename, content_type, kind, size_bytes, sha256, storage_key, created_at
         from content.assets where course_id = $1 and id = any($2)",
        course_id,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

/// The files a content names.
pub(crate) async fn assets_of(
    connection: impl sqlx::PgExecutor<'_>,
    content: &Content,
) -> Result<HashMap<String, AssetRow>> {
    let placed = crate::model::lessons(content);
    let ids: Vec<String> = placed
        .iter()
        .flat_map(|placed| crate::model::asset_ids(placed.lesson))
        .map(str::to_owned)
        .collect();
    assets(connection, content.course_id, &ids).await
}

/// A row of `content.lessons`.
#[derive(Debug, Clone)]
pub(crate) struct LessonRow {
    pub(crate) lesson_id: String,
    pub(crate) title: String,
    pub(crate) module_title: String,
    pub(crate) source_hash: String,
    pub(crate) state: String,
    pub(crate) warning_code: Option<String>,
    pub(crate) warning_message: Option<String>,
    pub(crate) chunk_count: i32,
}

impl LessonRow {
    /// Whether there is nothing left to extract.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state.as_str(), "extracted" | "skipped" | "quiz")
    }

    /// Why the lesson was left out, if it was.
    pub(crate) fn warning(&self) -> Option<Warning> {
        let code = self.warning_code.clone()?;
        let message = self.warning_message.clone().unwrap_or_default();
        Some(Warning {
            lesson_id: self.lesson_id.clone(),
            code,
            message,
        })
    }

    /// Why the lesson was left out, without the lesson.
    pub(crate) fn skip(&self) -> Option<Skip> {
        self.warning().map(|warning| Skip {
            code: warning.code,
            message: warning.message,
        })
    }
}

/// The lessons of a version in reading order.
pub(crate) async fn lessons(
    connection: impl sqlx::PgExecutor<'_>,
    version: VersionId,
) -> Result<Vec<LessonRow>> {
    let rows = sqlx::query_as!(
        LessonRow,
        "select lesson_id, title, module_title, source_hash, state, warning_code, warning_message, chunk_count
         from content.lessons where course_id = $1 and version = $2 order by position, lesson_id",
        version.course_id.0,
        version.version
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// One lesson of a version.
pub(crate) async fn lesson(
    connection: impl sqlx::PgExecutor<'_>,
    version: VersionId,
    lesson_id: &str,
) -> Result<LessonRow> {
    sqlx::query_as!(
        LessonRow,
        "select lesson_id, title, module_title, source_hash, state, warning_code, warning_message, chunk_count
         from content.lessons where course_id = $1 and version = $2 and lesson_id = $3",
        version.course_id.0,
        version.version,
        lesson_id
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| {
        Error::new(
            &codes::NOT_FOUND,
            format!("version {} has no lesson {lesson_id}", version.version),
        )
    })
}

/// Body of a chunk document.
#[derive(Serialize, Deserialize)]
struct Body {
    chunks: Vec<Chunk>,
}

/// Writes the chunks of a lesson.
pub(crate) async fn put_chunks(
    documents: &dyn Documents,
    version: VersionId,
    lesson_id: &str,
    chunks: Vec<Chunk>,
) -> Result<()> {
    let body = serde_json::to_value(Body { chunks })
        .map_err(|error| Error::internal("chunks are JSON").because(error))?;
    documents
        .put(CHUNKS, &chunks_key(version, lesson_id), &body)
        .await
}

/// Reads the chunks of some lessons, by document key; lessons without a document are absent.
pub(crate) async fn chunks_by_key(
    documents: &dyn Documents,
    keys: &[String],
) -> Result<HashMap<String, Vec<Chunk>>> {
    let mut found = HashMap::with_capacity(keys.len());
    for batch in keys.chunks(READ_BATCH) {
        for (key, body) in documents.get_many(CHUNKS, batch).await? {
            let body: Body = serde_json::from_value(body).map_err(|error| {
                Error::internal(format!("the chunk document {key} is broken")).because(error)
            })?;
            found.insert(key, body.chunks);
        }
    }
    Ok(found)
}

/// Reads the chunks of lessons that must have some, in the order asked.
pub(crate) async fn chunks_of(
    documents: &dyn Documents,
    version: VersionId,
    lessons: &[LessonRow],
) -> Result<Vec<Vec<Chunk>>> {
    let keys: Vec<String> = lessons
        .iter()
        .map(|lesson| chunks_key(version, &lesson.lesson_id))
        .collect();
    let mut found = chunks_by_key(documents, &keys).await?;
    keys.iter()
        .map(|key| {
            found
                .remove(key)
                .ok_or_else(|| Error::internal(format!("the chunk document {key} is missing")))
        })
        .collect()
}

impl State {
    /// A version with what the course service knows of it; version 0 is the draft.
    pub(crate) async fn manifest(&self, course_id: i64, version: i32) -> Result<(Manifest, Content)> {
        let request = Actor::Service.request(ManifestRequest { course_id, version });
        let mut manifest = self.course.get_manifest(request).await?;
        let content = manifest.content.take().unwrap_or_default();
        Ok((
            manifest,
            Content {
                course_id,
                version,
                ..content
            },
        ))
    }

    /// The content of a saved version. It never changes, so it is kept at hand while its lessons are worked on.
    pub(crate) async fn content(&self, version: VersionId) -> Result<Arc<Content>> {
        if let Some(content) = self.contents.get(&version).await {
            return Ok(content);
        }
        let (_, content) = self.manifest(version.course_id.0, version.version).await?;
        let content = Arc::new(content);
        self.contents.insert(version, Arc::clone(&content)).await;
        Ok(content)
    }

    /// The draft of a course, for its owner and administrators only.
    pub(crate) async fn owned_draft(&self, actor: Actor, course_id: i64) -> Result<(Manifest, Content)> {
        let draft = self.manifest(course_id, 0).await?;
        if actor.owns(UserId(draft.0.instructor_id)) {
            return Ok(draft);
        }
        actor.user()?;
        Err(Error::new(
            &codes::FORBIDDEN,
            "this course belongs to another instructor",
        ))
    }
}
