//! The vector port: nearest chunks of one course version.
//!
//! The embedded adapter is exact: it reads the rows of the version and computes every cosine. A version's vectors are
//! read only after its flip and never change then, so they are kept in memory once read.

use std::sync::Arc;

use async_trait::async_trait;
use smartcourse_proto::ids::VersionId;
use sqlx::PgPool;

use crate::{error::Result, postgres};

/// Memory for vectors of recently asked versions, in bytes.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// A vector and the chunk it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// Lesson of the chunk.
    pub lesson_id: String,
    /// Place of the chunk in its lesson, from 0.
    pub ordinal: i32,
    /// L2-normalised.
    pub embedding: Vec<f32>,
}

/// A chunk and its similarity to a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    /// Lesson of the chunk.
    pub lesson_id: String,
    /// Place of the chunk in its lesson.
    pub ordinal: i32,
    /// Cosine, −1 to 1.
    pub score: f32,
}

/// A vector store.
#[async_trait]
pub trait Vectors: Send + Sync {
    /// Replaces the vectors of one lesson: ids are the lesson and the ordinal, so writing twice is writing once.
    async fn put_lesson(
        &self,
        model: &str,
        version: VersionId,
        lesson_id: &str,
        vectors: &[Vector],
    ) -> Result<()>;
    /// The `limit` nearest chunks, best first.
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

/// Rows in PostgreSQL, compared one by one.
pub struct Postgres {
    pool: PgPool,
    recent: moka::future::Cache<(String, VersionId), Arc<Vec<Vector>>>,
}

impl Postgres {
    /// Over the content service's pool.
    pub fn new(pool: PgPool) -> Self {
        let weigh = |_: &(String, VersionId), vectors: &Arc<Vec<Vector>>| {
            let bytes: usize = vectors.iter().map(|vector| vector.embedding.len() * 4 + 64).sum();
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Self {
            pool,
            recent: moka::future::Cache::builder()
                .weigher(weigh)
                .max_capacity(CACHE_BYTES)
                .build(),
        }
    }

    async fn load(&self, model: &str, version: VersionId) -> Result<Arc<Vec<Vector>>> {
        let key = (model.to_owned(), version);
        if let Some(vectors) = self.recent.get(&key).await {
            return Ok(vectors);
        }
        let rows = sqlx::query!(
            "select lesson_id, ordinal, embedding from platform.vectors where model = $1 and course_id = $2 and version = $3",
            model,
            version.course_id.0,
            version.version
        )
        .fetch_all(&self.pool)
        .await?;
        let vectors: Vec<Vector> = rows
            .into_iter()
            .map(|row| Vector {
                lesson_id: row.lesson_id,
                ordinal: row.ordinal,
                embedding: from_bytes(&row.embedding),
            })
            .collect();
        let vectors = Arc::new(vectors);
        if !vectors.is_empty() {
            self.recent.insert(key, Arc::clone(&vectors)).await;
        }
        Ok(vectors)
    }

    async fn forget(&self, model: &str, version: VersionId) {
        self.recent.invalidate(&(model.to_owned(), version)).await;
    }
}

/// Little-endian bytes of a vector: the form it is stored in.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The vector of little-endian bytes.
pub fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|chunk| f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))
        .collect()
}

/// Cosine of two L2-normalised vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[async_trait]
impl Vectors for Postgres {
    async fn put_lesson(
        &self,
        model: &str,
        version: VersionId,
        lesson_id: &str,
        vectors: &[Vector],
    ) -> Result<()> {
        let (ordinals, bytes): (Vec<i32>, Vec<Vec<u8>>) = vectors
            .iter()
            .map(|vector| (vector.ordinal, to_bytes(&vector.embedding)))
            .unzip();
        let mut tx = postgres::begin(&self.pool).await?;
        sqlx::query!(
            "delete from platform.vectors where model = $1 and course_id = $2 and version = $3 and lesson_id = $4",
            model,
            version.course_id.0,
            version.version,
            lesson_id
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "insert into platform.vectors (model, course_id, version, lesson_id, ordinal, embedding)
             select $1, $2, $3, $4, o, e from unnest($5::int[], $6::bytea[]) as t(o, e)",
            model,
            version.course_id.0,
            version.version,
            lesson_id,
            &ordinals,
            &bytes
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.forget(model, version).await;
        Ok(())
    }

    async fn nearest(
        &self,
        model: &str,
        version: VersionId,
        query: &[f32],
        limit: usize,
    ) -> Result<Vec<Near>> {
        let vectors = self.load(model, version).await?;
        let mut scored: Vec<(f32, usize)> = vectors
            .iter()
            .enumerate()
            .map(|(index, vector)| (cosine(&vector.embedding, query), index))
            .collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if scored.len() > limit && limit > 0 {
            scored.select_nth_unstable_by(limit - 1, order);
            scored.truncate(limit);
        }
        scored.sort_by(order);
        Ok(scored
            .into_iter()
            .take(limit)
            .map(|(score, index)| Near {
                lesson_id: vectors[index].lesson_id.clone(),
                ordinal: vectors[index].ordinal,
                score,
            })
            .collect())
    }

    async fn count(&self, model: &str, version: VersionId) -> Result<i64> {
        let count = sqlx::query_scalar!(
            "select count(*) as \"count!\" from platform.vectors where model = $1 and course_id = $2 and version = $3",
            model,
            version.course_id.0,
            version.version
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(count)
    }

    async fn delete_version(&self, version: VersionId) -> Result<()> {
        let models = sqlx::query_scalar!(
            "delete from platform.vectors where course_id = $1 and version = $2 returning model",
            version.course_id.0,
            version.version
        )
        .fetch_all(&self.pool)
        .await?;
        for model in models.iter().collect::<std::collections::BTreeSet<_>>() {
            self.forget(model, version).await;
        }
        Ok(())
    }
}
