//! Retrieval over ten thousand chunks of one version, and how soon an answer begins.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use reqwest::{
    Method,
    header::{self, HeaderMap, HeaderValue},
};
use serde_json::{Value, json};
use smartcourse_engines::{
    embeddings::embedded::{Embedded, Settings},
    search, vectors,
};
use smartcourse_launcher::free_port;
use smartcourse_platform::{
    config::Config,
    grpc::{Actor, Transport},
    ports::{
        embeddings::{Models as _, Purpose},
        search::Search as _,
        vectors::Vectors as _,
    },
};
use smartcourse_proto::{
    content::{RetrieveRequest, content_service_client::ContentServiceClient},
    ids::{CourseId, VersionId},
};
use smartcourse_tests::{
    Layout, Model, Says, Session, World,
    measure::{
        machine::Since,
        table::{Table, millis, quantile},
    },
};
use sqlx::PgPool;

use crate::{load, note, publish, published, text::Dice};

const LESSONS: usize = 200;
const CHUNKS: usize = 50;
const QUESTIONS: usize = 200;
/// Of these, how many are asked again and taken apart.
const AGAIN: usize = 100;
/// Passages the assistant asks for by default.
const PASSAGES: i32 = 6;
/// Candidates of each ranking, as in the content service.
const CANDIDATES: u8 = 24;
/// A lesson, a question that it answers, and what a model writes then.
const LESSON: (&str, &str) = (
    "Sagas",
    "A saga is a sequence of steps in which every step has a compensation that undoes it.",
);
const ASKED: &str = "What is a saga?";
const WRITTEN: &str = "A saga is a sequence of steps, each of which has a compensation. [1]";

/// Publishes a version and asks.
///
/// # Errors
/// When the model is absent or a question is not answered.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let directory = publish::model_directory().await?;
    let (model_dir, address) = (
        directory.display().to_string(),
        format!("127.0.0.1:{}", free_port()?),
    );
    let model = ("CONTENT__MODEL_DIR", model_dir.as_str());
    let settings = [&[model, ("GRPC__CONTENT", &address)][..], &load::NO_RATES].concat();
    let world = World::start_with(executable, Layout::Together, &settings).await?;
    let session = world.sign_up("instructor").await?;
    let mut dice = Dice::new(10_000);
    let course = filled(&session, dice.lessons(LESSONS, CHUNKS)).await?;
    note("publishing ten thousand chunks");
    published::publish(&session, &world.pool, course).await?;
    let version = VersionId {
        course_id: CourseId(course),
        version: 1,
    };
    let chunks: i64 = sqlx::query_scalar("select sum(chunk_count) from content.lessons where course_id = $1")
        .bind(course)
        .fetch_one(&world.pool)
        .await?;

    let questions: Vec<String> = (0..QUESTIONS).map(|_| dice.question()).collect();
    note("asking");
    let since = Since::now();
    let fresh = ask(&address, version, &questions).await?;
    let again = ask(&address, version, &questions[..AGAIN]).await?;
    let parts = parts(&world.pool, &directory, version, &questions[..AGAIN]).await?;
    let (begun, quoted) = answers(&session, course, &questions[..AGAIN]).await?;
    drop(world);
    let written = written(executable, model).await?;
    let others = since.spent().others;

    let mut table = Table::new(&["", "p50 ms", "p95 ms", "worst ms"]);
    let mut row = |name: &str, times: Vec<Duration>| {
        let mut sorted = times;
        sorted.sort_unstable();
        let mut cells = vec![name.to_owned()];
        cells.extend([0.5, 0.95, 1.0].map(|share| millis(quantile(&sorted, share))));
        table.row(cells);
    };
    row("questions", fresh);
    row("half of them again", again);
    for (name, times) in parts {
        row(name, times);
    }
    row("an answer over HTTP: its first event", begun);
    row("an answer over HTTP: its first words, quoted or refused", quoted);
    row(
        "an answer over HTTP: its first words, of a model that writes at once, over a course of one lesson",
        written,
    );
    Ok(format!(
        "## Retrieval\n\n`ContentService.Retrieve` over {chunks} chunks of one version, one question at a time, {QUESTIONS} questions, and half of them as \
         `POST /courses/{{id}}/ask`. The text is generated, and published as any course is. Other programs used {others:.2} cores meanwhile.\n\n{}",
        table.finish()
    ))
}

/// A course whose lessons are files: as text of the draft they would be more than one may be.
async fn filled(session: &Session, mut lessons: Vec<Value>) -> Result<i64> {
    let course = published::course(session, &[]).await?;
    for lesson in &mut lessons {
        let text = lesson["content"]["markdown"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let file = session.upload(course, "lesson.md", text).await?.expect(201)?;
        lesson["type"] = "document".into();
        lesson["content"] = json!({ "asset_id": file["id"] });
    }
    session.put_lessons(course, &lessons).await?.expect(200)?;
    Ok(course)
}

/// How soon an answer begins: its first event, and its first words.
async fn answers(
    session: &Session,
    course: i64,
    questions: &[String],
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut begun, mut said) = (Vec::new(), Vec::new());
    for question in questions {
        // In place of the header that asks for JSON.
        let events = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("text/event-stream"))]);
        let request = session
            .request(Method::POST, &format!("/courses/{course}/ask"))
            .headers(events)
            .json(&json!({ "question": question }));
        let start = Instant::now();
        let mut response = request.send().await?.error_for_status()?;
        let (mut events, mut first) = (String::new(), None);
        while let Some(bytes) = response.chunk().await? {
            events.push_str(std::str::from_utf8(&bytes)?);
            first.get_or_insert_with(|| start.elapsed());
            let names = events.lines().filter_map(|line| line.strip_prefix("event:"));
            if names.map(str::trim).any(|name| name == "token") {
                said.push(start.elapsed());
                break;
            }
        }
        begun.push(first.context("an answer has events")?);
        ensure!(said.len() == begun.len(), "an answer said nothing: {events}");
        // The rest of it is nobody's.
        while response.chunk().await?.is_some() {}
    }
    Ok((begun, said))
}

/// How soon a model's first words come, which writes them at once: what is ours of that.
async fn written(executable: &Path, model_dir: (&str, &str)) -> Result<Vec<Duration>> {
    let model = Model::start().await?;
    model.says([Says::this(WRITTEN)]);
    let url = format!("{}/v1", model.url);
    let named = [
        model_dir,
        ("ANSWERS__ENGINE", "openai"),
        ("OPENAI__URL", &url),
        ("OPENAI__MODEL", "writer"),
    ];
    let settings = [&named[..], &load::NO_RATES].concat();
    let world = World::start_with(executable, Layout::Together, &settings).await?;
    let session = world.sign_up("instructor").await?;
    let course = session.course(&[LESSON]).await?;
    published::publish(&session, &world.pool, course).await?;
    let questions = vec![ASKED.to_owned(); AGAIN];
    let (_, said) = answers(&session, course, &questions).await?;
    ensure!(model.calls().len() == AGAIN, "the model was not asked");
    Ok(said)
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
        search
            .rank(question, &|_| false, version, CANDIDATES.into())
            .await?;
        by_words.push(start.elapsed());
    }
    // The first scan reads the rows.
    by_meaning.remove(0);
    Ok([
        ("part: embedding the question", embedding),
        ("part: comparing the vectors of chunks", by_meaning),
        ("part: ranking by words", by_words),
    ])
}
