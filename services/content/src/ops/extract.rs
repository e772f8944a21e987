//! One lesson from its source to stored chunks.

use std::time::Instant;

use futures::TryStreamExt;
use smartcourse_platform::{Error, Result, fault};
use smartcourse_proto::{
    common::Problem,
    content::{ExtractReply, LessonRef},
    course::Lesson,
    ids::VersionId,
};
use smartcourse_telemetry::{
    catalogue::{PARSING, PARSING_SECONDS},
    metric::UnderWay,
};
use smartcourse_text::{ExtractError, SourceKind};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};
use tracing::Instrument as _;

use crate::{
    State,
    chunk::{self, Chunk},
    codes, documents, lesson,
    lesson_source::{self, Source},
    store::{self, AssetRow, LessonRow, LessonState},
    version_lock::{self, Write},
};

pub(crate) async fn extract(state: &State, request: LessonRef) -> Result<ExtractReply> {
    let version = VersionId::new(request.course_id, request.version);
    version_lock::require_open(&state.pool, version).await?;
    let row = store::lesson(&state.pool, version, &request.lesson_id).await?;
    let reply = |row: &LessonRow| ExtractReply {
        chunks: row.chunk_count,
        warning: row.warning(),
    };
    if row.is_done() {
        return Ok(reply(&row));
    }
    let saved = state.saved(version).await?;
    let mut lessons = saved.content.modules.iter().flat_map(|module| &module.lessons);
    let lesson = lessons.find(|lesson| lesson.id == request.lesson_id);
    let lesson = lesson.ok_or_else(|| {
        let detail = format!("there is no lesson {}", request.lesson_id);
        Error::new(&codes::NOT_FOUND, detail)
    })?;
    let text = text_of(state, version, lesson, saved.language.as_deref()).await?;
    store_text(state, version, lesson, &row.source_hash, text).await?;
    Ok(reply(
        &store::lesson(&state.pool, version, &request.lesson_id).await?,
    ))
}

/// The passages of a lesson, or why it has none. An error is a fault of the surroundings and worth another try.
async fn text_of(
    state: &State,
    version: VersionId,
    lesson: &Lesson,
    language: Option<&str>,
) -> Result<Result<Vec<Chunk>, Problem>> {
    let ids: Vec<String> = lesson::asset_ids(lesson).map(str::to_owned).collect();
    let assets = store::assets(&state.pool, version.course_id, &ids).await?;
    let extracted = match lesson_source::source(lesson, &assets)? {
        Source::Markdown(text) => {
            let mut read = Err(ExtractError::Crashed);
            let (sandbox, texts) = (&state.deps.sandbox, [text]);
            let run = sandbox.read_texts(SourceKind::Markdown, &texts, state.chunk_words, |_, outcome| {
                read = outcome
            });
            parsing(run).await.and(read)
        }
        Source::File(asset, kind) => from_file(state, version, asset, kind, language).await?,
        Source::None(skip) => return Ok(Err(skip)),
        Source::Quiz => return Err(Error::internal("a quiz has no text to extract")),
    };
    match extracted {
        Ok(passages) => Ok(Ok(chunk::chunks(passages))),
        Err(error) if error.is_retryable() => Err(unreadable(error)),
        Err(error) => Ok(Err(Problem {
            code: error.code().to_owned(),
            message: error.to_string(),
        })),
    }
}

/// A parser that could not be run.
pub(crate) fn unreadable(error: ExtractError) -> Error {
    Error::new(&codes::UNAVAILABLE, "a text could not be read").because(error)
}

/// Watches a run of the parser.
pub(crate) async fn parsing<T>(
    run: impl Future<Output = Result<T, ExtractError>>,
) -> Result<T, ExtractError> {
    let begun = Instant::now();
    let _under_way = UnderWay::begin(&PARSING, []);
    let outcome = run.instrument(tracing::info_span!("parse")).await;
    let label = outcome.as_ref().map_or_else(ExtractError::code, |_| "ok");
    PARSING_SECONDS.since(begun, [label]);
    outcome
}

/// The passages of a file, which is parsed in a process of its own. That is given a copy without a name, already open.
async fn from_file(
    state: &State,
    version: VersionId,
    asset: &AssetRow,
    kind: SourceKind,
    language: Option<&str>,
) -> Result<Result<Vec<smartcourse_text::Chunk>, ExtractError>> {
    let copied = sqlx::query_scalar!(
        "select storage_key from content.version_assets where course_id = $1 and version = $2 and asset_id = $3",
        version.course_id.0,
        version.version,
        asset.id
    )
    .fetch_optional(&state.pool)
    .await?;
    let key = copied.as_deref().unwrap_or(&asset.storage_key);
    let local = tempfile::tempfile().map_err(|error| Error::internal("no temporary file").because(error))?;
    let broken = |error: std::io::Error| {
        Error::new(&codes::UNAVAILABLE, "a temporary file cannot be written").because(error)
    };
    let mut writer = tokio::fs::File::from_std(local);
    let found = state.deps.files.read(key).await;
    let mut bytes = found
        // The row says that the file is there, so a store without it is a fault of ours and not a wrong request.
        .map_err(|error| Error::internal(format!("the file {} cannot be opened", asset.id)).because(error))?;
    while let Some(chunk) = bytes.try_next().await? {
        writer.write_all(&chunk).await.map_err(broken)?;
    }
    writer.flush().await.map_err(broken)?;
    writer.rewind().await.map_err(broken)?;
    let file = writer.into_std().await;
    let run = state
        .deps
        .sandbox
        .read_any(kind, file, state.chunk_words, language);
    Ok(parsing(run).await)
}

async fn store_text(
    state: &State,
    version: VersionId,
    lesson: &Lesson,
    source_hash: &str,
    text: Result<Vec<Chunk>, Problem>,
) -> Result<()> {
    let (end, chunks, skip) = match text {
        Ok(chunks) => (LessonState::Extracted, chunks, None),
        Err(skip) => (LessonState::Skipped, Vec::new(), Some(skip)),
    };
    let mut write = Write::begin(state, version).await?;
    let chunk_count = lesson::count(chunks.len());
    if chunks.is_empty() {
        // An earlier text of this lesson must not stay findable when a version is processed again.
        let embedder = state.embedder(&mut *write.tx, version).await?;
        let vectors = &state.deps.vectors;
        vectors
            .put_lesson(embedder.model(), version, &lesson.id, &[])
            .await?;
    } else {
        let documents = state.deps.documents.as_ref();
        documents::put_chunks(documents, version, &lesson.id, chunks).await?;
    }
    let (code, message) = skip.map(|skip| (skip.code, skip.message)).unzip();
    sqlx::query!(
        "update content.lessons set state = $4, warning_code = $5, warning_message = $6, chunk_count = $7
         where course_id = $1 and version = $2 and lesson_id = $3 and source_hash = $8",
        version.course_id.0,
        version.version,
        lesson.id,
        end.as_text(),
        code,
        message,
        chunk_count,
        source_hash
    )
    .execute(&mut *write.tx)
    .await?;
    fault::point("content.extract_lesson", "before_commit");
    write.commit().await?;
    fault::point("content.extract_lesson", "after_commit");
    Ok(())
}
