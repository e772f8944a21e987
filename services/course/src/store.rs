//! Rows of schema `course` and what they look like outside.

use std::time::Duration;

use rust_decimal::Decimal;
use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    Wire,
    common::Money,
    course::{Content, Course, CourseStatus, Level, PublishState, Seats},
    ids::{CourseId, UserId, VersionId},
    json::timestamp::from_time,
    key::Key,
};
use sqlx::{PgConnection, types::time::OffsetDateTime};

use crate::{State, codes};

/// Collection of drafts (`{course}/d-{uuid}`) and versions (`{course}/v{n}`, and what lies below it).
pub const CONTENT: &str = "course.content";

/// How long the content of a version is kept for those who read it next.
const KEPT: Duration = Duration::from_secs(3600);

pub(crate) fn course_prefix(course_id: CourseId) -> String {
    format!("{course_id}/")
}

/// Key of a new draft of a course.
pub(crate) fn draft_key(course_id: CourseId) -> String {
    format!("{course_id}/d-{}", uuid::Uuid::now_v7().simple())
}

pub(crate) fn version_key(version: VersionId) -> String {
    format!("{}/v{}", version.course_id, version.version)
}

/// Scope of the open writes of a course.
pub(crate) fn scope(course_id: CourseId) -> String {
    format!("course/{course_id}")
}

/// A row of `course.courses`.
#[derive(Debug, Clone)]
pub(crate) struct CourseRow {
    pub(crate) id: CourseId,
    pub(crate) instructor_id: UserId,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) category: Option<String>,
    pub(crate) level: Option<String>,
    pub(crate) price_amount: Option<Decimal>,
    pub(crate) price_currency: Option<String>,
    pub(crate) max_enrollments: Option<i32>,
    pub(crate) prerequisites: Vec<i64>,
    pub(crate) archived: bool,
    pub(crate) published_version: Option<i32>,
    pub(crate) ai_ready: bool,
    pub(crate) last_version: i32,
    pub(crate) revision: i64,
    /// Empty until the first edit: a new course has an empty draft, and no document.
    pub(crate) draft_key: String,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) updated_at: OffsetDateTime,
    pub(crate) language: Option<String>,
}

/// What decides who may do something with a course.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) course_id: CourseId,
    pub(crate) instructor_id: UserId,
    /// Whether everybody may see it.
    pub(crate) is_live: bool,
}

impl Owner {
    /// Refuses everybody but the owner and administrators; a course they may not read does not exist for them.
    pub(crate) fn require(self, actor: Actor) -> Result<()> {
        actor.require_owner(self.instructor_id, || {
            if self.is_live {
                Error::new(&codes::FORBIDDEN, "this course belongs to another instructor")
            } else {
                missing(self.course_id)
            }
        })
    }
}

impl CourseRow {
    /// Whether everybody may see it.
    pub(crate) fn is_live(&self) -> bool {
        self.published_version.is_some() && !self.archived
    }

    /// The entity tag of the course and its draft.
    pub(crate) fn etag(&self) -> String {
        format!("\"c{}-{}\"", self.id, self.revision)
    }

    pub(crate) fn key(&self) -> String {
        Key::Course.of(self.id.0)
    }

    /// Refuses everybody but the owner and administrators.
    pub(crate) fn require_owner(&self, actor: Actor) -> Result<()> {
        let owner = Owner {
            course_id: self.id,
            instructor_id: self.instructor_id,
            is_live: self.is_live(),
        };
        owner.require(actor)
    }

    /// Refuses an edit that was made against an older revision.
    pub(crate) fn require_match(&self, if_match: Option<&str>) -> Result<()> {
        match if_match {
            None | Some("*") => Ok(()),
            Some(tags) if tags.split(',').any(|tag| tag.trim() == self.etag()) => Ok(()),
            Some(_) => Err(Error::new(
                &codes::STALE,
                "the course was changed by somebody else; read it again",
            )),
        }
    }
}

impl From<CourseRow> for Course {
    fn from(row: CourseRow) -> Self {
        let etag = row.etag();
        let price = row.price_amount.zip(row.price_currency);
        let status = match (row.archived, row.published_version) {
            (true, _) => CourseStatus::Archived,
            (false, Some(_)) => CourseStatus::Published,
            (false, None) => CourseStatus::Draft,
        };
        Self {
            id: row.id.0,
            title: row.title,
            description: row.description,
            category: row.category,
            level: row.level.as_deref().and_then(Level::from_text).map(Into::into),
            price: price.map(|(amount, currency)| Money {
                amount: format!("{amount:.2}"),
                currency,
            }),
            max_enrollments: row.max_enrollments,
            prerequisites: row.prerequisites,
            status: status.into(),
            published_version: row.published_version,
            ai_ready: row.ai_ready,
            seats: Some(Seats {
                max: row.max_enrollments,
                taken: 0,
            }),
            instructor_id: row.instructor_id.0,
            created_at: Some(from_time(row.created_at)),
            updated_at: Some(from_time(row.updated_at)),
            etag,
            language: row.language,
        }
    }
}

pub(crate) fn never_published() -> Error {
    Error::new(
        &codes::NEVER_PUBLISHED,
        "no publish of this course was ever started",
    )
}

pub(crate) fn missing(id: CourseId) -> Error {
    Error::new(&codes::NOT_FOUND, format!("there is no course {id}"))
}

/// Reads a course.
pub(crate) async fn course(connection: impl sqlx::PgExecutor<'_>, id: CourseId) -> Result<CourseRow> {
    sqlx::query_as!(CourseRow, "select * from course.courses where id = $1", id.0)
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| missing(id))
}

/// Reads and locks a course: the first lock of every transaction that touches its attempts.
pub(crate) async fn lock_course(connection: &mut PgConnection, id: CourseId) -> Result<CourseRow> {
    sqlx::query_as!(
        CourseRow,
        "select * from course.courses where id = $1 for update",
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(|| missing(id))
}

/// A row of `course.publish_attempts`.
#[derive(Debug, Clone)]
pub(crate) struct AttemptRow {
    pub(crate) id: uuid::Uuid,
    pub(crate) course_id: CourseId,
    pub(crate) version: i32,
    pub(crate) draft_key: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: Option<String>,
    pub(crate) state: PublishState,
    pub(crate) aborted: bool,
    pub(crate) step: i32,
    pub(crate) warnings: serde_json::Value,
    pub(crate) error_code: Option<String>,
    pub(crate) error_message: Option<String>,
    pub(crate) revision: i64,
    pub(crate) accepted_at: OffsetDateTime,
    pub(crate) started_at: Option<OffsetDateTime>,
    pub(crate) finished_at: Option<OffsetDateTime>,
}

impl AttemptRow {
    /// The version it is to publish.
    pub(crate) fn version(&self) -> VersionId {
        VersionId::new(self.course_id, self.version)
    }

    /// Whether it may still be published.
    pub(crate) fn is_open(&self) -> bool {
        !self.state.has_ended()
    }

    /// Refuses work for an attempt that is not running: the first thing each forward step does.
    pub(crate) fn require_running(&self) -> Result<()> {
        match self.state {
            _ if self.aborted => Err(Error::new(
                &codes::VERSION_DISCARDED,
                "this version was decided against",
            )),
            PublishState::Running => Ok(()),
            PublishState::Cancelling => {
                Err(Error::new(&codes::PUBLISH_CANCELLED, "the publish was cancelled"))
            }
            state => Err(Error::new(
                &codes::ATTEMPT_CLOSED,
                format!("the attempt is {}", state.as_text()),
            )),
        }
    }
}

/// Reads an id sent over the wire.
pub(crate) fn attempt_id(text: &str) -> Result<uuid::Uuid> {
    text.parse()
        .map_err(|_| Error::new(&codes::NOT_FOUND, format!("`{text}` is not an attempt id")))
}

/// Locks course and attempt, in that order everywhere.
pub(crate) async fn lock_attempt(connection: &mut PgConnection, id: &str) -> Result<(CourseRow, AttemptRow)> {
    let id = attempt_id(id)?;
    let course_id = sqlx::query_scalar!("select course_id from course.publish_attempts where id = $1", id)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(|| Error::new(&codes::NOT_FOUND, format!("there is no attempt {id}")))?;
    let course = lock_course(connection, course_id.into()).await?;
    let attempt = sqlx::query_as!(
        AttemptRow,
        "select * from course.publish_attempts where id = $1",
        id
    )
    .fetch_one(connection)
    .await?;
    Ok((course, attempt))
}

/// The latest attempt of a course.
pub(crate) async fn latest_attempt(
    connection: impl sqlx::PgExecutor<'_>,
    course_id: CourseId,
) -> Result<Option<AttemptRow>> {
    let row = sqlx::query_as!(
        AttemptRow,
        "select * from course.publish_attempts where course_id = $1 order by version desc limit 1",
        course_id.0
    )
    .fetch_optional(connection)
    .await?;
    Ok(row)
}

/// The attempt of a course that may still be published; only the latest can be.
pub(crate) async fn open_attempt(
    connection: impl sqlx::PgExecutor<'_>,
    course_id: CourseId,
) -> Result<Option<AttemptRow>> {
    Ok(latest_attempt(connection, course_id)
        .await?
        .filter(AttemptRow::is_open))
}

impl State {
    /// What a saved version holds, for all who read it. A database that was put back to an earlier day allots a version again,
    /// to another attempt.
    pub(crate) async fn saved(&self, key: &str, attempt: uuid::Uuid) -> Result<Content> {
        let shared = format!("{CONTENT}:{key}:{attempt}");
        self.reads.read(&shared, KEPT, self.content(key)).await
    }

    /// What a draft or a version holds.
    pub(crate) async fn content(&self, key: &str) -> Result<Content> {
        if key.is_empty() {
            return Ok(Content::default());
        }
        let found = self.documents.get(CONTENT, key).await?;
        let body = found.ok_or_else(|| Error::internal(format!("the content document {key} is missing")))?;
        serde_json::from_value(body)
            .map_err(|error| Error::internal(format!("the content document {key} is broken")).because(error))
    }
}
