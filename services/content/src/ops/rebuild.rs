//! What is searched, made again from the documents: in the engine that is asked, version by version, or in one that is asked later.

use std::{collections::HashSet, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use smartcourse_platform::{
    Error, Result,
    config::Config,
    error::codes,
    fault,
    open_writes::OpenWrite,
    postgres::{self, Tx},
};
use smartcourse_proto::ids::VersionId;
use sqlx::{PgConnection, PgPool};

use crate::{
    Dependencies, State,
    ops::{embed, ready},
    store,
    version_lock::scope,
};

/// Versions that are counted at once.
const AT_ONCE: usize = 16;
/// How often the writers are asked to wait before it is given up, and the pause in between.
const TRIES: u32 = 300;
const PAUSE: Duration = Duration::from_secs(1);

/// What is made from the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// The vectors of chunks.
    Vectors,
    /// The entries of search.
    Search,
}

/// What a pass over all versions found, and did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Versions that are to be found.
    pub versions: u64,
    /// What they have by the documents: chunks, and for search the courses themselves.
    pub expected: u64,
    /// What the engine had of all versions before.
    pub held: u64,
    /// Versions that were written.
    pub written: u64,
    /// Versions that are not to be found any more, and were removed.
    pub removed: u64,
}

/// A version of which an engine has less or more than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The version.
    pub version: VersionId,
    /// Units it has by the documents; none when it is not to be found any more.
    pub expected: i64,
    /// Units the engine has of it.
    pub held: i64,
}

/// Makes vectors and search entries again.
pub struct Rebuild(State);

/// A version by its rows.
struct Row {
    version: VersionId,
    /// It was discarded or has been retired.
    gone: bool,
    model: String,
    chunks: i64,
}

impl Row {
    /// How many units it is to have.
    fn expected(&self, index: Index) -> i64 {
        match index {
            _ if self.gone => 0,
            Index::Vectors => self.chunks,
            Index::Search => self.chunks + 1,
        }
    }
}

impl Rebuild {
    /// Over the pool of the service; what is made goes to the vectors and the search of the dependencies.
    ///
    /// # Errors
    /// When the settings of content were not declared.
    pub fn new(config: &Config, pool: PgPool, deps: Dependencies) -> Result<Self> {
        State::new(config, pool, deps).map(Self)
    }

    /// Goes over all versions once: writes those of which the engine has less or more than they have by the documents, and
    /// removes what is gone. With `again` it writes all of them, and brings vectors to the models of today; without it, versions
    /// of a model that is not here, whose vectors nobody asks for, are left out.
    ///
    /// # Errors
    /// When an engine, the database or the course service fails; called again, it goes on.
    pub async fn pass(&self, index: Index, again: bool) -> Result<Rebuilt> {
        let mut rebuilt = Rebuilt::default();
        for (row, held) in self.look(&self.0.pool, index, again, &mut rebuilt).await? {
            // The row is held, so that nobody writes or removes the version meanwhile; what an engine does later is known.
            let open = OpenWrite::open(&self.0.pool, &scope(row.version)).await?;
            let mut tx = postgres::begin(&self.0.pool).await?;
            postgres::be_patient(&mut tx).await?;
            sqlx::query!(
                "select version from content.versions where course_id = $1 and version = $2 for update",
                row.version.course_id.0,
                row.version.version
            )
            .fetch_one(&mut *tx)
            .await?;
            for now in rows(&mut *tx, Some(row.version)).await? {
                if again && index == Index::Vectors && !now.gone {
                    let model = self.0.model_of_language(now.version).await?;
                    self.0.set_model(&mut tx, now.version, model.as_ref()).await?;
                }
                self.bring(&mut tx, index, &now, held).await?;
            }
            open.close(&mut tx).await?;
            fault::commit(tx, "content.rebuild").await?;
        }
        Ok(rebuilt)
    }

    /// What a pass without `again` would write or remove, and how many versions are to be found.
    ///
    /// # Errors
    /// When an engine or the database fails.
    pub async fn differences(&self, index: Index) -> Result<(u64, Vec<Difference>)> {
        let mut rebuilt = Rebuilt::default();
        let differing = self.look(&self.0.pool, index, false, &mut rebuilt).await?;
        let difference = |(row, held): (Row, i64)| Difference {
            version: row.version,
            expected: row.expected(index),
            held,
        };
        Ok((rebuilt.versions, differing.into_iter().map(difference).collect()))
    }

    /// Goes over all versions once more while nobody writes any, and then calls for the change to the engine that was filled.
    ///
    /// # Errors
    /// When an engine, the database or the course service fails; the change was made then, or was not.
    pub async fn change_over(
        &self,
        index: Index,
        change: impl AsyncFnOnce() -> Result<()>,
    ) -> Result<Rebuilt> {
        let mut tx = self.no_writers().await?;
        let mut rebuilt = Rebuilt::default();
        for (row, held) in self.look(&mut *tx, index, false, &mut rebuilt).await? {
            self.bring(&mut tx, index, &row, held).await?;
        }
        change().await?;
        tx.commit().await?;
        Ok(rebuilt)
    }

    /// A transaction until whose end no version is written or discarded. One that is being written for long is waited for by short
    /// looks: whoever comes after a waiting lock waits as well.
    async fn no_writers(&self) -> Result<Tx> {
        for _ in 0..TRIES {
            let mut tx = postgres::begin(&self.0.pool).await?;
            postgres::be_patient(&mut tx).await?;
            sqlx::query("set local lock_timeout = '1s'")
                .execute(&mut *tx)
                .await?;
            let locked = sqlx::query("lock table content.versions in exclusive mode").execute(&mut *tx);
            match locked.await.map_err(Error::from) {
                Err(error) if error.is(&codes::UNAVAILABLE) => {
                    tracing::info!("waiting for a version that is being written");
                }
                locked => return locked.map(|_| tx),
            }
            drop(tx);
            tokio::time::sleep(PAUSE).await;
        }
        let detail = "versions were being written all the time: run this again, and it goes on from here";
        Err(Error::new(&codes::UNAVAILABLE, detail))
    }

    /// The versions that are to be written or removed, and what the engine has of them.
    async fn look(
        &self,
        connection: impl sqlx::PgExecutor<'_>,
        index: Index,
        again: bool,
        rebuilt: &mut Rebuilt,
    ) -> Result<Vec<(Row, i64)>> {
        let mut all = rows(connection, None).await?;
        let here = match index {
            Index::Vectors => self.models(&all).await?,
            Index::Search => HashSet::new(),
        };
        all.retain(|row| again || index == Index::Search || row.gone || here.contains(&row.model));
        let main = self.0.deps.models.main().model();
        let model = |row: &Row| here.get(&row.model).map_or(main, String::as_str);
        let counts = all.iter().map(|row| self.held(index, model(row), row.version));
        let counts: Vec<i64> = stream::iter(counts).buffered(AT_ONCE).try_collect().await?;
        let mut to_do = Vec::new();
        for (row, held) in all.into_iter().zip(counts) {
            let expected = row.expected(index);
            rebuilt.versions += u64::from(!row.gone);
            rebuilt.expected += expected.unsigned_abs();
            rebuilt.held += held.unsigned_abs();
            if held != expected || (again && expected > 0) {
                rebuilt.written += u64::from(!row.gone);
                rebuilt.removed += u64::from(row.gone);
                to_do.push((row, held));
            }
        }
        Ok(to_do)
    }

    /// The models of versions that are here; the vectors are ready for each.
    async fn models(&self, rows: &[Row]) -> Result<HashSet<String>> {
        let deps = &self.0.deps;
        let named: HashSet<&str> = rows.iter().map(|row| row.model.as_str()).collect();
        let mut here = HashSet::new();
        for model in named {
            if let Some(embedder) = deps.models.named(model).await {
                deps.vectors.prepare(model, embedder.dimensions()).await?;
                here.insert(model.to_owned());
            }
        }
        Ok(here)
    }

    async fn held(&self, index: Index, model: &str, version: VersionId) -> Result<i64> {
        let deps = &self.0.deps;
        match index {
            Index::Vectors => deps.vectors.count(model, version).await,
            Index::Search => deps.search.count(version).await,
        }
    }

    /// Writes a version, or removes it.
    async fn bring(&self, tx: &mut PgConnection, index: Index, row: &Row, held: i64) -> Result<()> {
        let (state, version) = (&self.0, row.version);
        match index {
            Index::Search if row.gone => state.deps.search.delete_version(version).await,
            Index::Search => {
                let known = state.manifest(version.course_id, version.version).await?;
                let (language, entries) = ready::entries(state, tx, version, &known).await?;
                state.deps.search.put_version(version, &language, &entries).await
            }
            Index::Vectors => {
                if held > row.expected(index) {
                    state.deps.vectors.delete_version(version).await?;
                }
                if row.gone {
                    return Ok(());
                }
                let embedder = state.embedder(&mut *tx, version).await?;
                for lesson in store::lessons(&mut *tx, version).await? {
                    if lesson.chunk_count > 0 {
                        let vectors = embed::vectors_of(state, embedder.as_ref(), version, &lesson).await?;
                        let vector_store = &state.deps.vectors;
                        vector_store
                            .put_lesson(embedder.model(), version, &lesson.lesson_id, &vectors)
                            .await?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// The versions, or one of them.
async fn rows(connection: impl sqlx::PgExecutor<'_>, one: Option<VersionId>) -> Result<Vec<Row>> {
    let rows = sqlx::query!(
        r#"select v.course_id, v.version, v.model, v.state = 'discarded' or v.retired_at is not null as "gone!",
               coalesce(sum(l.chunk_count), 0) as "chunks!"
           from content.versions v left join content.lessons l on l.course_id = v.course_id and l.version = v.version
           where $1::bigint is null or (v.course_id = $1 and v.version = $2)
           group by v.course_id, v.version order by v.course_id, v.version"#,
        one.map(|version| version.course_id.0),
        one.map(|version| version.version)
    )
    .fetch_all(connection)
    .await?;
    let row = rows.into_iter().map(|row| Row {
        version: VersionId::new(row.course_id, row.version),
        gone: row.gone,
        model: row.model,
        chunks: row.chunks,
    });
    Ok(row.collect())
}
