//! Retrieval over ten thousand chunks of one version.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use smartcourse_engines::{
    documents,
    embeddings::embedded::{Embedded, Settings},
    search, vectors,
};
use smartcourse_launcher::free_port;
use smartcourse_platform::{
    config::Config,
    grpc::{Actor, Transport},
    ports::{
        Unit,
        documents::Documents as _,
        embeddings::{Models as _, Purpose},
        search::{Entry, Search as _},
        vectors::{Vector, Vectors as _},
    },
};
use smartcourse_proto::{
    content::{RetrieveRequest, content_service_client::ContentServiceClient},
    ids::{CourseId, VersionId},
};
use smartcourse_tests::{
    Layout, World,
    measure::{
        machine::Since,
        table::{Table, millis, quantile},
    },
};
use sqlx::PgPool;

use crate::{note, publish, published, text::Dice};

const LESSONS: usize = 200;
const CHUNKS: usize = 50;
const QUESTIONS: usize = 200;
/// Of these, how many are asked again and taken apart.
const AGAIN: usize = 100;
/// Passages the assistant asks for by default.
const PASSAGES: i32 = 6;
/// Candidates of each ranking, as in the content service.
const CANDIDATES: u8 = 24;

/// Fills a version and asks.
///
/// # Errors
/// When the model is absent or a question is not answered.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let directory = publish::model_directory().await?;
    let (model_dir, address) = (
        directory.display().to_string(),
        format!("127.0.0.1:{}", free_port()?),
    );
    let settings = [
        ("CONTENT__MODEL_DIR", model_dir.as_str()),
        ("GRPC__CONTENT", &address),
    ];
    let world = World::start_with(executable, Layout::Together, &settings).await?;
    let session = world.sign_up("instructor").await?;
    let mut dice = Dice::new(10_000);
    let course = published::course(&session, &dice.lessons(1, 1)).await?;
    published::publish(&session, &world.pool, course).await?;
    let version = VersionId {
        course_id: CourseId(course),
        version: 1,
    };
    note("writing ten thousand chunks");
    fill(&world.pool, version, &mut dice).await?;

    let questions: Vec<String> = (0..QUESTIONS).map(|_| dice.question()).collect();
    note("asking");
    let since = Since::now();
    let first = ask(&address, version, &questions[..1]).await?;
    let fresh = ask(&address, version, &questions[1..]).await?;
    let again = ask(&address, version, &questions[1..=AGAIN]).await?;
    let parts = parts(&world.pool, &directory, version, &questions[..AGAIN]).await?;
    let others = since.spent().others;

    let mut table = Table::new(&["", "p50 ms", "p95 ms", "worst ms"]);
    let mut row = |name: &str, times: Vec<Duration>| {
        let mut sorted = times;
        sorted.sort_unstable();
        let mut cells = vec![name.to_owned()];
        cells.extend([0.5, 0.95, 1.0].map(|share| millis(quantile(&sorted, share))));
        table.row(cells);
    };
    row("first question after a start (reads the vectors)", first);
    row("other questions, sentences not seen before", fresh);
    row("half of them again, sentences known", again);
    for (name, times) in parts {
        row(name, times);
    }
    Ok(format!(
        "## Retrieval\n\n`ContentService.Retrieve` over {} chunks of one version, one question at a time, {QUESTIONS} questions. \
         Chunks, search entries and lessons are generated and written straight into the stores; their vectors are random \
         unit vectors. Questions and sentences are embedded by the real model. Other programs used {others:.2} cores \
         meanwhile.\n\n{}",
        LESSONS * CHUNKS,
        table.finish()
    ))
}

/// Writes lessons, chunk documents, vectors and search entries as a publish would.
async fn fill(pool: &PgPool, version: VersionId, dice: &mut Dice) -> Result<()> {
    let (documents, vectors, search) = (
        documents::postgres::Postgres::new(pool.clone()),
        vectors::postgres::Postgres::new(pool.clone()),
        search::postgres::Postgres::new(pool.clone()),
    );
    let mut entries = Vec::new();
    for lesson in 1..=LESSONS {
        let (lesson_id, title) = (format!("g{lesson}"), format!("Generated lesson {lesson}"));
        let (mut chunks, mut points) = (Vec::new(), Vec::new());
        for ordinal in 0..i32::try_from(CHUNKS)? {
            let (heading, text) = dice.section();
            // As the content service names chunks.
            let anchor = format!("c{ordinal:06}");
            points.push(Vector {
                anchor: anchor.clone(),
                embedding: unit_vector(dice),
            });
            entries.push(Entry {
                unit: Unit::new(&lesson_id, anchor),
                title: title.clone(),
                heading: heading.clone(),
                body: text.clone(),
            });
            chunks.push(json!({"ordinal": ordinal, "heading": heading, "text": text}));
        }
        let key = format!("{}/v{}/{lesson_id}", version.course_id.0, version.version);
        documents
            .put("content.chunks", &key, &json!({"chunks": chunks}))
            .await?;
        vectors
            .put_lesson(smartcourse_minilm::MODEL_ID, version, &lesson_id, &points)
            .await?;
        sqlx::query(
            "insert into content.lessons (course_id, version, lesson_id, title, module_title, position, source_hash, extractor,
                                          state, chunk_count)
             values ($1, $2, $3, $4, 'Module', $5, $3, 'generated', 'extracted', $6)",
        )
        .bind(version.course_id.0)
        .bind(version.version)
        .bind(&lesson_id)
        .bind(&title)
        .bind(i32::try_from(lesson)?)
        .bind(i32::try_from(CHUNKS)?)
        .execute(pool)
        .await?;
    }
    search.put_version(version, "en", &entries).await?;
    // A table that has just grown this much has no statistics; the server would gather them by itself within a minute.
    sqlx::query("analyze platform.search_entries")
        .execute(pool)
        .await?;
    Ok(())
}

fn unit_vector(dice: &mut Dice) -> Vec<f32> {
    let raw: Vec<f32> = (0..smartcourse_minilm::DIMENSIONS).map(|_| dice.unit()).collect();
    let length = raw.iter().map(|value| value * value).sum::<f32>().sqrt();
    raw.into_iter().map(|value| value / length).collect()
}

async fn ask(address: &str, version: VersionId, questions: &[String]) -> Result<Vec<Duration>> {
    let token = (
        "SMARTCOURSE_GRPC__SERVICE_TOKEN".to_owned(),
        "a-token-for-tests-only".to_owned(),
    );
    let config = Config::load(&[], None, &[token]).context("the configuration of the client")?;
    let mut content = ContentServiceClient::new(Transport::remote(&config.grpc, address)?);
    let mut times = Vec::new();
    for question in questions {
        let request = RetrieveRequest {
            course_id: version.course_id.0,
            version: version.version,
            question: question.clone(),
            limit: PASSAGES,
            ..RetrieveRequest::default()
        };
        let start = Instant::now();
        let found = content
            .retrieve(Actor::Service.request(request))
            .await?
            .into_inner();
        times.push(start.elapsed());
        ensure!(
            found.items.len() == PASSAGES as usize,
            "{} passages for {question}",
            found.items.len()
        );
    }
    Ok(times)
}

/// The parts of a retrieval alone, with the same code in this process.
async fn parts(
    pool: &PgPool,
    model: &Path,
    version: VersionId,
    questions: &[String],
) -> Result<[(&'static str, Vec<Duration>); 3]> {
    let (vectors, search) = (
        vectors::postgres::Postgres::new(pool.clone()),
        search::postgres::Postgres::new(pool.clone()),
    );
    let settings = Settings {
        model_dir: model.to_owned(),
        multilingual_model_dir: model.to_owned(),
    };
    let models = Embedded::open(&settings, None)?;
    let embedder = models.main();
    let (mut embedding, mut by_meaning, mut by_words) = (Vec::new(), Vec::new(), Vec::new());
    for question in questions {
        let start = Instant::now();
        let vector = embedder
            .embed(Purpose::Query, vec![question.clone()])
            .await?
            .into_iter()
            .next()
            .context("one vector per text")?;
        embedding.push(start.elapsed());
        let start = Instant::now();
        vectors
            .nearest(embedder.model(), version, &vector, CANDIDATES.into())
            .await?;
        by_meaning.push(start.elapsed());
        let start = Instant::now();
        search.rank(question, version, CANDIDATES.into()).await?;
        by_words.push(start.elapsed());
    }
    // The first scan reads the rows.
    by_meaning.remove(0);
    Ok([
        ("part: embedding the question", embedding),
        ("part: comparing 10,000 vectors", by_meaning),
        ("part: ranking by words", by_words),
    ])
}
