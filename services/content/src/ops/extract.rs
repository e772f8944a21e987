//! One lesson from its source to stored chunks.

use std::fs::File;

use futures::TryStreamExt;
use smartcourse_platform::{Error, Result, fault};
use smartcourse_proto::{
    common::Problem,
    content::{ExtractReply, LessonRef},
    course::Lesson,
    ids::VersionId,
};
use smartcourse_text::{ExtractError, SourceKind};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _};

use super::transcribe::{Recording, Transcribed, transcribe};
use crate::{
    State,
    chunk::{self, Chunk},
    codes::{self, MACHINE_TRANSCRIPT},
    documents, lesson,
    lesson_source::{self, Source},
    parser::{parsing, unreadable},
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
        unfinished: false,
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
    let language = saved.language.as_deref();
    let Some(text) = text_of(state, version, lesson, language, request.tries).await? else {
        return Ok(ExtractReply {
            unfinished: true,
            ..ExtractReply::default()
        });
    };
    store_text(state, version, lesson, &row.source_hash, text).await?;
    Ok(reply(
        &store::lesson(&state.pool, version, &request.lesson_id).await?,
    ))
}

/// What was made of a lesson.
struct Text {
    /// Its passages.
    chunks: Vec<Chunk>,
    /// Why it has none, or what its instructor should know of them.
    warning: Option<Problem>,
}

impl Text {
    fn none(warning: Problem) -> Self {
        Self {
            chunks: Vec::new(),
            warning: Some(warning),
        }
    }
}

/// The text of a lesson; `None` when a recording is transcribed of which there is more. An error is a fault of the surroundings and
/// worth another try.
async fn text_of(
    state: &State,
    version: VersionId,
    lesson: &Lesson,
    language: Option<&str>,
    tries: u32,
) -> Result<Option<Text>> {
    let ids: Vec<String> = lesson::asset_ids(lesson).map(str::to_owned).collect();
    let assets = store::assets(&state.pool, version.course_id, &ids).await?;
    let extracted = match lesson_source::source(lesson, &assets)? {
        Source::Markdown(text) => read_text(state, SourceKind::Markdown, text).await,
        Source::File(asset, kind) => {
            let file = copy(state, version, asset).await?;
            let sandbox = &state.deps.sandbox;
            let again = file.try_clone().map_err(broken)?;
            let read = parsing(sandbox.read_any(kind, again, state.chunk_words, language)).await;
            match (read, state.deps.transcriber.as_deref()) {
                // A worker of 0.3 or before would not come again for the rest of a recording, and gives no tries.
                (Err(ExtractError::NoTrack), Some(transcriber)) if tries > 0 => {
                    let recording = Recording {
                        sha256: &asset.sha256,
                        file: &file,
                        language,
                        transcriber,
                        tries,
                    };
                    return transcribed(state, &recording).await;
                }
                (read, _) => read,
            }
        }
        Source::None(skip) => return Ok(Some(Text::none(skip))),
        Source::Quiz => return Err(Error::internal("a quiz has no text to extract")),
    };
    match extracted {
        Ok(passages) => Ok(Some(Text {
            chunks: chunk::chunks(passages),
            warning: None,
        })),
        Err(error) if error.is_retryable() => Err(unreadable(error)),
        Err(error) => Ok(Some(Text::none(Problem {
            code: error.code().to_owned(),
            message: error.to_string(),
        }))),
    }
}

/// The text of a recording that has no subtitles.
async fn transcribed(state: &State, recording: &Recording<'_>) -> Result<Option<Text>> {
    let reason = match transcribe(state, recording).await? {
        Transcribed::Unfinished => return Ok(None),
        Transcribed::Not(reason) => reason,
        Transcribed::Whole(file) => match read_text(state, SourceKind::WebVtt, &file).await {
            Ok(passages) => {
                return Ok(Some(Text {
                    chunks: chunk::chunks(passages),
                    warning: Some(Problem {
                        code: MACHINE_TRANSCRIPT.to_owned(),
                        message: format!(
                            "{} has written down what is said; read it, and give the lesson a corrected transcript where it is wrong",
                            recording.transcriber.model()
                        ),
                    }),
                }));
            }
            Err(error) if error.is_retryable() => return Err(unreadable(error)),
            Err(ExtractError::Empty | ExtractError::NoText) => "nothing is said in it".to_owned(),
            Err(error) => error.to_string(),
        },
    };
    let none = ExtractError::NoTrack;
    Ok(Some(Text::none(Problem {
        code: none.code().to_owned(),
        message: format!("{none}; it was not transcribed: {reason}"),
    })))
}

/// The passages of a text that is at hand.
async fn read_text(
    state: &State,
    kind: SourceKind,
    text: &str,
) -> Result<Vec<smartcourse_text::Chunk>, ExtractError> {
    let mut read = Err(ExtractError::Crashed);
    let (texts, each) = ([text], |_, outcome| read = outcome);
    let run = state
        .deps
        .sandbox
        .read_texts(kind, &texts, state.chunk_words, each);
    parsing(run).await?;
    read
}

/// A copy of a file without a name, which a process of its own may be given.
async fn copy(state: &State, version: VersionId, asset: &AssetRow) -> Result<File> {
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
    Ok(writer.into_std().await)
}

fn broken(error: std::io::Error) -> Error {
    Error::new(&codes::UNAVAILABLE, "a temporary file cannot be written").because(error)
}

async fn store_text(
    state: &State,
    version: VersionId,
    lesson: &Lesson,
    source_hash: &str,
    Text { chunks, warning }: Text,
) -> Result<()> {
    let end = match chunks.is_empty() && warning.is_some() {
        true => LessonState::Skipped,
        false => LessonState::Extracted,
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
    let (code, message) = warning.map(|warning| (warning.code, warning.message)).unzip();
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
