//! The vector port: the units of one course version that are nearest to a question.

use async_trait::async_trait;
use smartcourse_proto::ids::VersionId;

use super::Unit;
use crate::error::Result;

/// The vector of a unit.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// Place of the unit in its lesson.
    pub anchor: String,
    /// L2-normalised.
    pub embedding: Vec<f32>,
}

/// A unit and its similarity to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// The unit.
    pub unit: Unit,
    /// Cosine, −1 to 1.
    pub score: f32,
}

/// A vector store. What was answered is seen by every read that begins later, in any process.
#[async_trait]
pub trait Vectors: Send + Sync {
    /// Where it is, as people may see it: without what lets us in. Two that are one are called alike.
    fn place(&self) -> String;
    /// Makes the store ready for vectors of a model. To be called before its first vector; again is nothing.
    async fn prepare(&self, model: &str, dimensions: usize) -> Result<()>;
    /// Makes these the vectors of one lesson: writes them by lesson and anchor, then removes the others. Not atomic: a
    /// reader meanwhile may see old ones beside new ones; given up half-way, calling it again makes it whole.
    async fn put_lesson(
        &self,
        model: &str,
        version: VersionId,
        lesson_id: &str,
        vectors: &[Vector],
    ) -> Result<()>;
    /// The `limit` nearest units, best first, among equals in the order of lesson and anchor.
    async fn nearest(
        &self,
        model: &str,
        version: VersionId,
        query: &[f32],
        limit: usize,
    ) -> Result<Vec<Near>>;
    /// How many vectors a version has.
    async fn count(&self, model: &str, version: VersionId) -> Result<i64>;
    /// Removes all vectors of a version, whatever their model.
    async fn delete_version(&self, version: VersionId) -> Result<()>;
}
