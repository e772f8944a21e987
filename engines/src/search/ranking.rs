//! Entries of versions in memory, as an index that ranks them for questions.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use smartcourse_platform::{
    Error, Result,
    ports::{
        Unit,
        search::{HasWord, Ranked},
    },
};
use smartcourse_proto::ids::VersionId;
use smartcourse_retrieval::{Index, Text};
use sqlx::PgPool;

use super::languages;

/// Text of the versions that are kept at hand, in bytes: an index takes some three times that of its text.
const KEPT_BYTES: u64 = 64 << 20;
/// How long a version is kept that nobody asks.
const KEPT: Duration = Duration::from_secs(3600);

/// The versions that are asked.
pub(super) struct Rankings {
    pool: PgPool,
    kept: Cache<(VersionId, String), Arc<Ranking>>,
}

/// The entries of one writing of a version.
struct Ranking {
    language: &'static str,
    units: Vec<Unit>,
    index: Index,
    bytes: u32,
}

/// An entry as it is read.
struct Row {
    lesson_id: String,
    anchor: String,
    title: String,
    heading: String,
    body: String,
    config: String,
}

impl Rankings {
    pub(super) fn new(pool: PgPool) -> Self {
        let kept = Cache::builder()
            .weigher(|_, ranking: &Arc<Ranking>| ranking.bytes)
            .max_capacity(KEPT_BYTES)
            .time_to_idle(KEPT)
            .build();
        Self { pool, kept }
    }

    pub(super) async fn rank(
        &self,
        question: &str,
        has_word: HasWord<'_>,
        version: VersionId,
        limit: i64,
    ) -> Result<Ranked> {
        // A version is written in one transaction, so that its number is the same in each row: what was read under another is
        // old.
        let written = sqlx::query_scalar!(
            r#"select xmin::text as "written!" from platform.search_entries
               where course_id = $1 and version = $2 order by lesson_id, anchor limit 1"#,
            version.course_id.0,
            version.version
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(written) = written else {
            return Ok(Ranked::default());
        };
        let read = self.kept.try_get_with((version, written), self.read(version));
        let ranking = read.await.map_err(|error| error.without_cause())?;
        let limit = usize::try_from(limit).unwrap_or_default();
        let found = ranking.index.rank(question, has_word, limit);
        let units = found.units.into_iter();
        Ok(Ranked {
            units: units
                .map(|(place, score)| (ranking.units[place].clone(), score))
                .collect(),
            terms: found.terms,
            language: ranking.language,
        })
    }

    async fn read(&self, version: VersionId) -> Result<Arc<Ranking>> {
        let rows = sqlx::query_as!(
            Row,
            r#"select lesson_id, anchor as "anchor!", title, heading, body, config::text as "config!"
               from platform.search_entries where course_id = $1 and version = $2 and lesson_id <> ''
               order by lesson_id, anchor"#,
            version.course_id.0,
            version.version
        )
        .fetch_all(&self.pool)
        .await?;
        // Arithmetic belongs on a blocking thread: the reactor's threads answer requests meanwhile.
        tokio::task::spawn_blocking(move || Arc::new(Ranking::of(rows)))
            .await
            .map_err(|error| Error::internal("the entries of a version could not be indexed").because(error))
    }
}

impl Ranking {
    fn of(rows: Vec<Row>) -> Self {
        let language = rows.first().map_or("", |row| languages::language(&row.config));
        let texts = rows.iter().map(|row| Text {
            title: &row.title,
            heading: &row.heading,
            body: &row.body,
        });
        let index = Index::of(language, texts);
        let bytes: usize = rows
            .iter()
            .map(|row| row.title.len() + row.heading.len() + row.body.len())
            .sum();
        Self {
            language,
            index,
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            units: rows
                .into_iter()
                .map(|row| Unit::new(row.lesson_id, row.anchor))
                .collect(),
        }
    }
}
