//! Rows of schema `content`.

use std::collections::HashMap;

use smartcourse_platform::{Error, Result};
use smartcourse_proto::{
    content::Asset,
    course::{Content, Warning},
    ids::{CourseId, VersionId},
    json::timestamp::from_time,
};
use smartcourse_text::{SourceKind, promised};
use sqlx::{PgPool, types::time::OffsetDateTime};

use crate::{Dependencies, codes, lesson};

/// Place of the files of a version.
pub(crate) fn files_prefix(version: VersionId) -> String {
    format!("courses/{}/v{}", version.course_id, version.version)
}

/// A row of `content.assets`.
#[derive(Debug, Clone)]
pub(crate) struct AssetRow {
    pub(crate) id: String,
    pub(crate) course_id: CourseId,
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) kind: Option<String>,
    pub(crate) size_bytes: i64,
    pub(crate) sha256: String,
    pub(crate) storage_key: String,
    pub(crate) created_at: OffsetDateTime,
}

impl AssetRow {
    /// How its text is extracted. Earlier versions only stored pictures and recordings, and noted no kind of them.
    pub(crate) fn kind(&self) -> Option<SourceKind> {
        let noted = self.kind.as_deref().and_then(|kind| kind.parse().ok());
        noted.or_else(|| Some(promised(&self.filename, Some(&self.content_type)).ok()?.kind))
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            id: String::new(),
            course_id: CourseId(1),
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
            course_id: row.course_id.0,
            created_at: Some(from_time(row.created_at)),
        }
    }
}

pub(crate) async fn assets(
    connection: impl sqlx::PgExecutor<'_>,
    course_id: CourseId,
    ids: &[String],
) -> Result<HashMap<String, AssetRow>> {
    let rows = sqlx::query_as!(
        AssetRow,
        "select id, course_id, filename, content_type, kind, size_bytes, sha256, storage_key, created_at
         from content.assets where course_id = $1 and id = any($2)",
        course_id.0,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id.clone(), row)).collect())
}

pub(crate) async fn asset(
    connection: impl sqlx::PgExecutor<'_>,
    course_id: CourseId,
    id: &str,
) -> Result<AssetRow> {
    let mut rows = assets(connection, course_id, &[id.to_owned()]).await?;
    rows.remove(id).ok_or_else(|| no_file(id))
}

pub(crate) fn no_file(id: &str) -> Error {
    Error::new(&codes::NOT_FOUND, format!("there is no file {id}"))
}

/// The files a content names.
pub(crate) async fn assets_of(
    connection: impl sqlx::PgExecutor<'_>,
    content: &Content,
) -> Result<HashMap<String, AssetRow>> {
    let lessons = content.modules.iter().flat_map(|module| &module.lessons);
    let ids: Vec<String> = lessons.flat_map(lesson::asset_ids).map(str::to_owned).collect();
    assets(connection, content.course_id.into(), &ids).await
}

/// How far the text of a lesson is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LessonState {
    /// Yet to be extracted.
    #[default]
    Pending,
    /// Its chunks are stored.
    Extracted,
    /// It has no text, and a warning says why.
    Skipped,
    /// A quiz is asked, not read.
    Quiz,
}

impl LessonState {
    pub(crate) fn as_text(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Extracted => "extracted",
            Self::Skipped => "skipped",
            Self::Quiz => "quiz",
        }
    }
}

impl From<String> for LessonState {
    fn from(word: String) -> Self {
        let all = [Self::Extracted, Self::Skipped, Self::Quiz];
        // A constraint of the table keeps other words out.
        all.into_iter()
            .find(|state| state.as_text() == word)
            .unwrap_or(Self::Pending)
    }
}

/// A row of `content.lessons`.
#[derive(Debug, Clone, Default)]
pub(crate) struct LessonRow {
    pub(crate) lesson_id: String,
    pub(crate) version: i32,
    pub(crate) title: String,
    pub(crate) module_title: String,
    pub(crate) source_hash: String,
    pub(crate) state: LessonState,
    pub(crate) warning_code: Option<String>,
    pub(crate) warning_message: Option<String>,
    pub(crate) chunk_count: i32,
}

impl LessonRow {
    /// Whether there is nothing left to extract.
    pub(crate) fn is_done(&self) -> bool {
        self.state != LessonState::Pending
    }

    /// Why the lesson was left out, if it was.
    pub(crate) fn warning(&self) -> Option<Warning> {
        Some(Warning {
            lesson_id: self.lesson_id.clone(),
            code: self.warning_code.clone()?,
            message: self.warning_message.clone().unwrap_or_default(),
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
        "select lesson_id, version, title, module_title, source_hash, state, warning_code, warning_message, chunk_count
         from content.lessons where course_id = $1 and version = $2 order by position, lesson_id",
        version.course_id.0,
        version.version
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// Those of a version's lessons that have one of these ids.
pub(crate) async fn lessons_of(
    connection: impl sqlx::PgExecutor<'_>,
    version: VersionId,
    ids: &[String],
) -> Result<Vec<LessonRow>> {
    let rows = sqlx::query_as!(
        LessonRow,
        "select lesson_id, version, title, module_title, source_hash, state, warning_code, warning_message, chunk_count
         from content.lessons where course_id = $1 and version = $2 and lesson_id = any($3)",
        version.course_id.0,
        version.version,
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

pub(crate) async fn lesson(
    connection: impl sqlx::PgExecutor<'_>,
    version: VersionId,
    lesson_id: &str,
) -> Result<LessonRow> {
    let mut found = lessons_of(connection, version, &[lesson_id.to_owned()]).await?;
    found.pop().ok_or_else(|| {
        let detail = format!("version {} has no lesson {lesson_id}", version.version);
        Error::new(&codes::NOT_FOUND, detail)
    })
}

/// Removes the file of an upload, then what tells of it.
pub(crate) async fn remove_upload(pool: &PgPool, deps: &Dependencies, key: &str) -> Result<()> {
    deps.files.delete(key).await?;
    sqlx::query!("delete from content.uploads where storage_key = $1", key)
        .execute(pool)
        .await?;
    Ok(())
}
