//! The search port: full text over published versions, and lexical ranking of units for retrieval.

use std::sync::Arc;

use async_trait::async_trait;
use smartcourse_proto::ids::{CourseId, VersionId};
pub use smartcourse_retrieval::Term;

use super::Unit;
use crate::error::Result;

/// A text to find. The course itself is the unit without a lesson.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What is found.
    pub unit: Unit,
    /// Title of the lesson or course.
    pub title: String,
    /// The headings the text stands under, outermost first; empty outside every heading.
    pub heading: String,
    /// The text.
    pub body: String,
}

/// What may be searched, as one keyword that entries carry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope(String);

impl Scope {
    /// A version without its lessons.
    pub fn course(version: VersionId) -> Self {
        Self(format!("{}/{}", version.course_id, version.version))
    }

    /// The text of a version's lessons.
    pub fn text(version: VersionId) -> Self {
        Self(format!("{}/{}/text", version.course_id, version.version))
    }

    /// The keyword.
    pub fn keyword(&self) -> &str {
        &self.0
    }
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

/// A page of hits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// The best first.
    pub hits: Vec<Hit>,
    /// Where the next page begins, in the engine's own words; `None` at the end.
    pub next: Option<String>,
}

/// What an index says to a question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranked {
    /// The units that have any of its terms, best first.
    pub units: Vec<(Unit, f32)>,
    /// The question's terms as the version's units have them, with what each tells.
    pub terms: Vec<Term>,
    /// The language (BCP 47) whose words these are; empty for words as they are written.
    pub language: &'static str,
}

/// Whether a word, in its normal form, is one though no unit has it: it is not taken for another that is spelt alike.
pub type HasWord<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// A search index.
#[async_trait]
pub trait Search: Send + Sync {
    /// Where it is, as people may see it: without what lets us in. Two that are one are called alike.
    fn place(&self) -> String;
    /// Makes the index ready for entries: what is there already stays.
    async fn prepare(&self) -> Result<()>;
    /// Makes these the entries of a version, whose text is in this language (BCP 47): writes them as a new generation, then
    /// removes the older ones. Not atomic: a reader meanwhile may see both; given up half-way, calling it again makes it
    /// whole. What was answered is seen by every read that begins later.
    async fn put_version(&self, version: VersionId, language: &str, entries: &[Entry]) -> Result<()>;
    /// Courses that have the query's words in any version, best first: those a search over all courses goes on with. Without
    /// `lesson_text` only words of the courses themselves count.
    async fn candidates(&self, query: &str, lesson_text: bool, limit: i64) -> Result<Vec<CourseId>>;
    /// The best entries of the scopes, one per lesson; `cursor` is empty or the [`next`](Found::next) of the page before,
    /// else `validation_failed`. `"a phrase"` and `-without` mean what they say; a query without them also finds titles
    /// spelt alike.
    async fn find(&self, query: &str, scopes: &[Scope], cursor: &str, limit: i64) -> Result<Found>;
    /// Units of a version that share words with a question, for retrieval.
    async fn rank(
        &self,
        question: &str,
        has_word: HasWord<'_>,
        version: VersionId,
        limit: i64,
    ) -> Result<Ranked>;
    /// How many entries a version has.
    async fn count(&self, version: VersionId) -> Result<i64>;
    /// Removes a version.
    async fn delete_version(&self, version: VersionId) -> Result<()>;
    /// An index to fill while this one is asked: the one that was begun and not changed over to, or a new one. `None` where each
    /// version is replaced at once, so that none is needed.
    async fn beside(&self) -> Result<Option<Arc<dyn Search>>>;
    /// Changes over to the index [`beside`](Self::beside), all at once: from here on it is asked, and the one before is gone.
    async fn change_over(&self) -> Result<()>;
}
