//! Vectors as rows, compared one by one: exact.
//!
//! The vectors of recently asked versions are kept in memory. Each version has a stamp that every write changes, in the
//! same transaction; what was read under an older stamp is read again, so no process answers what another has replaced.

use std::sync::Arc;

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    ports::{
        Unit,
        embeddings::{cosine, from_bytes, to_bytes},
        vectors::{Near, Vector, Vectors},
    },
    postgres,
};
use smartcourse_proto::ids::VersionId;
use sqlx::{PgConnection, PgPool};

/// Memory for vectors of recently asked versions, in bytes.
const CACHE_BYTES: u64 = 256 * 1024 * 1024;

/// Vectors of a version as they were under a stamp.
struct Loaded {
    stamp: i64,
    /// In the order of their units.
    units: Vec<(Unit, Vec<f32>)>,
}

/// Rows in PostgreSQL.
pub struct Postgres {
    pool: PgPool,
    recent: moka::future::Cache<(String, VersionId), Arc<Loaded>>,
}

impl Postgres {
    /// Over the pool of the engines.
    pub fn new(pool: PgPool) -> Self {
        let weigh = |_: &(String, VersionId), loaded: &Arc<Loaded>| {
            let bytes: usize = loaded.units.iter().map(|(_, vector)| vector.len() * 4 + 96).sum();
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

    async fn load(&self, model: &str, version: VersionId) -> Result<Arc<Loaded>> {
        // Before the rows: one that comes meanwhile is read again the next time, and none is missed.
        let stamp = sqlx::query_scalar!(
            "select stamp from platform.vector_stamps where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .fetch_optional(&self.pool)
        .await?
        .unwrap_or_default();
        let key = (model.to_owned(), version);
        if let Some(loaded) = self.recent.get(&key).await
            && loaded.stamp == stamp
        {
            return Ok(loaded);
        }
        let rows = sqlx::query!(
            "select lesson_id, anchor, embedding from platform.vectors
             where model = $1 and course_id = $2 and version = $3",
            model,
            version.course_id.0,
            version.version
        )
        .fetch_all(&self.pool)
        .await?;
        let units = rows.into_iter();
        let units = units.map(|row| (Unit::new(row.lesson_id, row.anchor), from_bytes(&row.embedding)));
        let mut units: Vec<_> = units.collect();
        units.sort_by(|(a, _), (b, _)| a.cmp(b));
        let loaded = Arc::new(Loaded { stamp, units });
        self.recent.insert(key, Arc::clone(&loaded)).await;
        Ok(loaded)
    }
}

/// Says to every process that the vectors of a version change with this transaction.
async fn stamp(tx: &mut PgConnection, version: VersionId) -> Result<()> {
    sqlx::query!(
        "insert into platform.vector_stamps (course_id, version) values ($1, $2)
         on conflict (course_id, version) do update set stamp = excluded.stamp",
        version.course_id.0,
        version.version
    )
    .execute(tx)
    .await?;
    Ok(())
}

#[async_trait]
impl Vectors for Postgres {
    fn place(&self) -> String {
        "PostgreSQL".to_owned()
    }

    /// The migrations of schema `platform` made the tables; rows have any number of dimensions.
    async fn prepare(&self, _model: &str, _dimensions: usize) -> Result<()> {
        Ok(())
    }

    async fn put_lesson(
        &self,
        model: &str,
        version: VersionId,
        lesson_id: &str,
        vectors: &[Vector],
    ) -> Result<()> {
        let (anchors, bytes): (Vec<String>, Vec<Vec<u8>>) = vectors
            .iter()
            .map(|vector| (vector.anchor.clone(), to_bytes(&vector.embedding)))
            .unzip();
        let mut tx = postgres::begin(&self.pool).await?;
        sqlx::query!(
            "insert into platform.vectors (model, course_id, version, lesson_id, anchor, embedding)
             select $1, $2, $3, $4, a, e from unnest($5::text[], $6::bytea[]) as t(a, e)
             on conflict (model, course_id, version, lesson_id, anchor) do update set embedding = excluded.embedding",
            model,
            version.course_id.0,
            version.version,
            lesson_id,
            &anchors,
            &bytes
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from platform.vectors
             where model = $1 and course_id = $2 and version = $3 and lesson_id = $4 and anchor <> all($5)",
            model,
            version.course_id.0,
            version.version,
            lesson_id,
            &anchors
        )
        .execute(&mut *tx)
        .await?;
        // Last: lessons of one version are written side by side, and its stamp makes them wait for each other.
        stamp(&mut tx, version).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn nearest(
        &self,
        model: &str,
        version: VersionId,
        query: &[f32],
        limit: usize,
    ) -> Result<Vec<Near>> {
        let loaded = self.load(model, version).await?;
        let vectors = loaded.units.iter().map(|(_, vector)| vector).zip(0..);
        let mut scored: Vec<(f32, usize)> = vectors
            .map(|(vector, index)| (cosine(vector, query), index))
            .collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if scored.len() > limit && limit > 0 {
            scored.select_nth_unstable_by(limit - 1, order);
            scored.truncate(limit);
        }
        scored.sort_by(order);
        let near = scored.into_iter().take(limit).map(|(score, index)| Near {
            unit: loaded.units[index].0.clone(),
            score,
        });
        Ok(near.collect())
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
        let mut tx = postgres::begin(&self.pool).await?;
        sqlx::query!(
            "delete from platform.vectors where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "delete from platform.vector_stamps where course_id = $1 and version = $2",
            version.course_id.0,
            version.version
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}
