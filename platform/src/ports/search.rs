//! The search port: full text over published versions, and lexical ranking of units for retrieval.

use async_trait::async_trait;
use smartcourse_proto::ids::{CourseId, VersionId};

use super::Unit;
use crate::error::Result;

/// A text to find. The course itself is the unit without a lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What is found.
    pub unit: Unit,
    /// Title of the lesson or course.
    pub title: String,
    /// The text.
    pub body: String,
}

/// A version to search; without `lesson_text` only titles and the course's own entry are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// The live version.
    pub version: VersionId,
    /// Whether the reader may see lesson text.
    pub lesson_text: bool,
}

/// A found text.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Where.
    pub version: VersionId,
    /// What was found.
    pub unit: Unit,
    /// Title of the lesson or course.
    pub title: String,
    /// Snippet with found words between `\u{2}` and `\u{3}`; the caller escapes and marks.
    pub snippet: String,
    /// Higher is better; comparable within one answer only.
    pub score: f32,
}

/// A search index.
#[async_trait]
pub trait Search: Send + Sync {
    /// Replaces everything of a version.
    async fn put_version(&self, version: VersionId, entries: &[Entry]) -> Result<()>;
    /// Courses that have the query's words in any version, best first: those a search over all courses goes on with. Without
    /// `lesson_text` only words of the courses themselves count.
    async fn candidates(&self, query: &str, lesson_text: bool, limit: i64) -> Result<Vec<CourseId>>;
    /// Best entries of the scopes, one per lesson, best first. `"a phrase"` and `-without` mean what they say; a query
    /// without them also finds titles spelt alike.
    async fn find(&self, query: &str, scopes: &[Scope], offset: i64, limit: i64) -> Result<Vec<Hit>>;
    /// Units of a version that share words with a question, best first, for retrieval.
    async fn rank(&self, query: &str, version: VersionId, limit: i64) -> Result<Vec<(Unit, f32)>>;
    /// How many entries a version has.
    async fn count(&self, version: VersionId) -> Result<i64>;
    /// Removes a version.
    async fn delete_version(&self, version: VersionId) -> Result<()>;
}
