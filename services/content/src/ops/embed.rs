//! From chunks to vectors. What the model has seen before is looked up, the rest is embedded in small batches that are
//! kept one by one, so that a retry goes on where the last try ended.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use async_stream::try_stream;
use futures::{StreamExt, stream::BoxStream};
use smartcourse_platform::{
    Error, Result, fault,
    ports::{
        embeddings::{Embedder, Purpose, from_bytes, to_bytes},
        vectors::Vector,
    },
    upkeep,
};
use smartcourse_proto::{
    content::{EmbedProgress, LessonPlan, LessonRef, LessonTask, PlanRequest},
    ids::VersionId,
};
use smartcourse_text::Unit;
use tonic::Status;

use crate::{
    State,
    chunk::{Chunk, anchor, embedded_text, piece_text, quotable, text_hash},
    documents::{self, READ_BATCH},
    lesson::{count, page, shorten},
    store::{self, LessonRow},
    version_lock::{self, Write},
};

/// Texts whose vectors are kept together: a kill costs one batch, some seconds on a slow processor.
const BATCH: usize = 64;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A text that is embedded, and the hash that names its embedding.
struct Text {
    /// Of a chunk, which is found by its vector. The pieces of a chunk are not: theirs tell how well each answers.
    anchor: Option<String>,
    text: String,
    hash: String,
}

impl Text {
    fn new(anchor: Option<String>, text: String) -> Self {
        let hash = text_hash(&text);
        Self { anchor, text, hash }
    }
}

/// What is embedded of the chunks of a lesson: each of them, and the pieces that can be quoted.
fn texts(title: &str, chunks: &[Chunk]) -> Vec<Text> {
    let mut texts = Vec::new();
    for chunk in chunks {
        texts.push(Text::new(
            Some(anchor(chunk.ordinal)),
            embedded_text(title, chunk),
        ));
        let units = quotable(&chunk.text, &chunk.heading);
        let piece = |unit: &Unit| Text::new(None, piece_text(title, &chunk.heading, &chunk.text, unit));
        texts.extend(units.iter().map(piece));
    }
    texts
}

/// The known embeddings among some hashes.
pub(crate) async fn known(
    connection: impl sqlx::PgExecutor<'_>,
    model: &str,
    hashes: &[String],
) -> Result<HashMap<String, Vec<f32>>> {
    let rows = sqlx::query!(
        "select content_hash, embedding from content.embeddings where model = $1 and content_hash = any($2)",
        model,
        hashes
    )
    .fetch_all(connection)
    .await?;
    let known = rows
        .into_iter()
        .map(|row| (row.content_hash, from_bytes(&row.embedding)));
    Ok(known.collect())
}

/// Notes that embeddings are of use, to the day.
async fn note_use(
    connection: impl sqlx::PgExecutor<'_>,
    state: &State,
    model: &str,
    hashes: &[String],
) -> Result<()> {
    let now = state.deps.clock.now();
    sqlx::query!(
        "update content.embeddings set used_at = $3 where model = $1 and content_hash = any($2) and used_at < $4",
        model,
        hashes,
        now,
        now - DAY
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets embeddings no version has used for long; answers how many. A text that comes again is embedded again.
pub(crate) async fn forget(state: &State) -> Result<u64> {
    let before = state.deps.clock.now() - state.keep_embeddings;
    upkeep::batched(&state.pool, || {
        sqlx::query!(
            "delete from content.embeddings where (content_hash, model) in (
                 select content_hash, model from content.embeddings where used_at < $1 limit $2)",
            before,
            upkeep::BATCH
        )
    })
    .await
}

/// How many of some texts no model has seen.
pub(crate) async fn count_unknown(state: &State, hashes: &[String]) -> Result<i32> {
    let unknown = sqlx::query_scalar!(
        "select count(distinct h) as \"count!\" from unnest($1::text[]) as h
         where not exists (select 1 from content.embeddings where content_hash = h)",
        hashes
    )
    .fetch_one(&state.pool)
    .await?;
    Ok(i32::try_from(unknown).unwrap_or(i32::MAX))
}

/// The vectors of a lesson's chunks, if all that is embedded of it is known.
fn vectors(texts: &[Text], known: &HashMap<String, Vec<f32>>) -> Option<Vec<Vector>> {
    let mut vectors = Vec::new();
    for text in texts {
        let embedding = known.get(&text.hash)?;
        if let Some(anchor) = &text.anchor {
            vectors.push(Vector {
                anchor: anchor.clone(),
                embedding: embedding.clone(),
            });
        }
    }
    Some(vectors)
}

/// The texts the model has not seen, each once.
fn missing<'t>(texts: &'t [Text], known: &HashMap<String, Vec<f32>>) -> Vec<&'t Text> {
    let mut seen: HashSet<&str> = HashSet::new();
    let is_missing = |text: &&'t Text| !known.contains_key(&text.hash) && seen.insert(&text.hash);
    texts.iter().filter(is_missing).collect()
}

/// The vectors of texts, by hash; what the model has not seen, or what was forgotten, is embedded.
pub(crate) async fn all(
    state: &State,
    embedder: &dyn Embedder,
    texts: HashMap<String, String>,
) -> Result<HashMap<String, Vec<f32>>> {
    if texts.is_empty() {
        return Ok(HashMap::new());
    }
    let hashes: Vec<String> = texts.keys().cloned().collect();
    note_use(&state.pool, state, embedder.model(), &hashes).await?;
    let mut known = known(&state.pool, embedder.model(), &hashes).await?;
    let unknown = texts.into_iter().filter(|(hash, _)| !known.contains_key(hash));
    let unknown = unknown.map(|(hash, text)| Text {
        anchor: None,
        text,
        hash,
    });
    let unknown: Vec<Text> = unknown.collect();
    for batch in unknown.iter().collect::<Vec<_>>().chunks(BATCH) {
        known.extend(embed(state, embedder, batch).await?);
    }
    Ok(known)
}

/// The vectors of a lesson's chunks; what the model has not seen is embedded.
pub(crate) async fn vectors_of(
    state: &State,
    embedder: &dyn Embedder,
    version: VersionId,
    row: &LessonRow,
) -> Result<Vec<Vector>> {
    let found =
        documents::chunks_of(state.deps.documents.as_ref(), version, std::slice::from_ref(row)).await?;
    let chunks: Vec<Chunk> = found.into_iter().flatten().collect();
    let texts = texts(&row.title, &chunks);
    let hashes: Vec<String> = texts.iter().map(|text| text.hash.clone()).collect();
    note_use(&state.pool, state, embedder.model(), &hashes).await?;
    let mut known = known(&state.pool, embedder.model(), &hashes).await?;
    for batch in missing(&texts, &known).chunks(BATCH) {
        known.extend(embed(state, embedder, batch).await?);
    }
    vectors(&texts, &known).ok_or_else(too_few)
}

fn too_few() -> Error {
    Error::internal("the model answered fewer vectors than texts")
}

/// Writes the vectors of lessons the model knows all of; lists the others.
pub(crate) async fn plan(state: &State, request: PlanRequest) -> Result<LessonPlan> {
    let version = VersionId::new(request.course_id, request.version);
    version_lock::require_open(&state.pool, version).await?;
    let embedder = match request.from {
        0 => state.choose_model(version).await?,
        _ => state.embedder(&state.pool, version).await?,
    };
    let (model, store) = (embedder.model(), &state.deps.vectors);
    let all = store::lessons(&state.pool, version).await?;
    let (planned, next_from) = page(&all, request.from);
    let with_text: Vec<LessonRow> = planned
        .iter()
        .filter(|row| row.chunk_count > 0)
        .cloned()
        .collect();
    let mut tasks = Vec::new();
    for batch in with_text.chunks(READ_BATCH) {
        let mut write = Write::begin(state, version).await?;
        let chunks = documents::chunks_of(state.deps.documents.as_ref(), version, batch).await?;
        let texts = batch
            .iter()
            .zip(&chunks)
            .map(|(row, chunks)| texts(&row.title, chunks));
        let texts: Vec<Vec<Text>> = texts.collect();
        let hashes: Vec<String> = texts.iter().flatten().map(|text| text.hash.clone()).collect();
        note_use(&mut *write.tx, state, model, &hashes).await?;
        let known = known(&mut *write.tx, model, &hashes).await?;
        for (row, texts) in batch.iter().zip(&texts) {
            match vectors(texts, &known) {
                Some(vectors) => store.put_lesson(model, version, &row.lesson_id, &vectors).await?,
                None => tasks.push(LessonTask {
                    lesson_id: row.lesson_id.clone(),
                    title: shorten(&row.title),
                }),
            }
        }
        fault::point("content.plan_embedding", "before_commit");
        write.commit().await?;
        fault::point("content.plan_embedding", "after_commit");
    }
    Ok(LessonPlan {
        tasks,
        total_lessons: count(all.len()),
        next_from,
    })
}

/// Embeds one lesson and tells how far it is. When the caller goes away the stream is dropped between two batches.
pub(crate) fn lesson(
    state: Arc<State>,
    request: LessonRef,
) -> BoxStream<'static, Result<EmbedProgress, Status>> {
    let work = try_stream! {
        let version = VersionId::new(request.course_id, request.version);
        version_lock::require_open(&state.pool, version).await?;
        let embedder = state.embedder(&state.pool, version).await?;
        let row = store::lesson(&state.pool, version, &request.lesson_id).await?;
        let mut chunks = Vec::new();
        if row.chunk_count > 0 {
            let found = documents::chunks_of(state.deps.documents.as_ref(), version, std::slice::from_ref(&row)).await?;
            chunks = found.into_iter().flatten().collect();
        }
        let texts = texts(&row.title, &chunks);
        let hashes: Vec<String> = texts.iter().map(|text| text.hash.clone()).collect();
        let mut known = known(&state.pool, embedder.model(), &hashes).await?;
        let missing = missing(&texts, &known);
        let total = count(texts.len());
        let mut left = missing.len();
        yield EmbedProgress { done: total - count(left), total };
        for batch in missing.chunks(BATCH) {
            let embedded = embed(&state, embedder.as_ref(), batch).await?;
            left -= batch.len();
            known.extend(embedded);
            yield EmbedProgress { done: total - count(left), total };
        }
        let vectors = vectors(&texts, &known)
            .ok_or_else(too_few)?;
        let write = Write::begin(&state, version).await?;
        state.deps.vectors.put_lesson(embedder.model(), version, &row.lesson_id, &vectors).await?;
        fault::point("content.embed_lesson", "before_commit");
        write.commit().await?;
        fault::point("content.embed_lesson", "after_commit");
    };
    work.map(|item: Result<EmbedProgress>| item.map_err(Status::from))
        .boxed()
}

/// Embeds a batch and keeps it.
async fn embed(state: &State, embedder: &dyn Embedder, batch: &[&Text]) -> Result<Vec<(String, Vec<f32>)>> {
    let texts = batch.iter().map(|text| text.text.clone()).collect();
    let embedded = embedder.embed(Purpose::Passage, texts).await?;
    let hashes: Vec<String> = batch.iter().map(|text| text.hash.clone()).collect();
    let bytes: Vec<Vec<u8>> = embedded.iter().map(|vector| to_bytes(vector)).collect();
    sqlx::query!(
        "insert into content.embeddings (content_hash, model, embedding, used_at)
         select h, $1, e, $4 from unnest($2::text[], $3::bytea[]) as x(h, e) where e is not null
         order by h on conflict do nothing",
        embedder.model(),
        &hashes,
        &bytes,
        state.deps.clock.now()
    )
    .execute(&state.pool)
    .await?;
    fault::point("content.embed_lesson", "after_batch");
    Ok(hashes.into_iter().zip(embedded).collect())
}
