//! A large publish against embedding the very same texts in a plain loop; then a publish after one edit.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_launcher::{DataDir, Progress, ensure_model, multilingual_model};
use smartcourse_minilm::MiniLm;
use smartcourse_retrieval::words;
use smartcourse_tests::{
    Layout, World,
    measure::{
        machine::{Since, Spent},
        table::{Table, seconds, verdict},
    },
};
use sqlx::Row as _;

use crate::{note, published, text::Dice};

const LESSONS: usize = 50;
const SECTIONS: usize = 20;
/// Texts the model computes at once, as in the engines.
const BATCH: usize = 16;
const STEPS: [&str; 8] = [
    "accepted, not begun",
    "1 validating",
    "2 saving content",
    "3 uploading files",
    "4 extracting text",
    "5 generating embeddings",
    "6 updating search index",
    "7 publishing",
];

/// Publishes, embeds in a loop, edits and publishes again.
///
/// # Errors
/// When the model is absent or a publish fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let directory = model_directory().await?;
    let path = directory.display().to_string();
    let world = World::start_with(executable, Layout::Together, &[("CONTENT__MODEL_DIR", &path)]).await?;
    let session = world.sign_up("instructor").await?;
    let mut dice = Dice::new(50);
    let mut lessons = dice.lessons(LESSONS, SECTIONS);
    let course = published::course(&session, &lessons).await?;

    note("publishing 50 lessons with the real model");
    let since = Since::now();
    let full = published::publish(&session, &world.pool, course).await?;
    let spent = since.spent();
    let steps = published::steps(&world.pool, course).await?;

    let (chunks, pieces) = texts(&world, course).await?;
    let counts = (chunks.len(), pieces.len());
    ensure!(
        counts.0.abs_diff(LESSONS * SECTIONS) <= 100,
        "{} chunks",
        counts.0
    );
    note(&format!(
        "embedding the same {} chunks and {} pieces in a plain loop",
        counts.0, counts.1
    ));
    let all = chunks.iter().cloned().chain(pieces).collect();
    let (in_loop, tokens) = plain_loop(&directory, all).await?;
    let (of_chunks, _) = plain_loop(&directory, chunks).await?;

    note("editing one lesson and publishing again");
    lessons[LESSONS / 2] = dice.lesson(LESSONS / 2 + 1, SECTIONS);
    session.put_lessons(course, &lessons).await?.expect(200)?;
    let since = Since::now();
    let again = published::publish(&session, &world.pool, course).await?;
    let spent_again = since.spent();
    let steps_again = published::steps(&world.pool, course).await?;

    let mut table = Table::new(&["", "wall", "processor time", "cores others used"]);
    let line = |name: &str, wall: Duration, spent: &Spent| {
        [
            name.to_owned(),
            seconds(wall),
            seconds(spent.own),
            format!("{:.2}", spent.others),
        ]
    };
    table.row(line(
        &format!(
            "full publish, {LESSONS} lessons, {} chunks and {} pieces, {tokens} tokens",
            counts.0, counts.1
        ),
        full,
        &spent,
    ));
    table.row(line("the same texts in a plain loop", in_loop.wall, &in_loop));
    table.row(line(
        "its chunks alone in a plain loop",
        of_chunks.wall,
        &of_chunks,
    ));
    table.row(line("publish after editing one lesson", again, &spent_again));
    let ratio = full.as_secs_f64() / in_loop.wall.as_secs_f64();
    let busy = spent.own.as_secs_f64() / in_loop.own.as_secs_f64();
    let republish = again.as_secs_f64() / full.as_secs_f64();
    let mut by_step = Table::new(&["step", "full publish", "after one edit"]);
    for ((name, first), second) in STEPS.iter().zip(&steps).zip(&steps_again) {
        by_step.row([
            (*name).to_owned(),
            format!("{first:.2} s"),
            format!("{second:.2} s"),
        ]);
    }
    Ok(format!(
        "## Publish\n\n{}\n{}\n{}\nProcessor time of the full publish ÷ that of the loop: {busy:.2}\n\n{}",
        table.finish(),
        verdict("Full publish ÷ plain loop", ratio, 1.1, true),
        verdict("Publish after one edit ÷ full publish", republish, 0.1, true),
        by_step.finish(),
    ))
}

/// The directory of the real model's weights.
///
/// # Errors
/// When they cannot be had.
pub(crate) async fn model_directory() -> Result<std::path::PathBuf> {
    let data = DataDir::open(smartcourse_launcher::default_data_dir())?;
    ensure_model(&data, &Progress::plain())
        .await
        .context("the model could not be fetched: cargo run -- doctor --fix")
}

/// Where the model for other languages than English is, or is put.
///
/// # Errors
/// When the data directory cannot be opened.
pub(crate) fn multilingual_model_directory() -> Result<std::path::PathBuf> {
    Ok(multilingual_model(&DataDir::open(
        smartcourse_launcher::default_data_dir(),
    )?))
}

/// The texts the content service gives to the model, made from its chunk documents: those of chunks, and of the pieces that can be
/// quoted, each once.
async fn texts(world: &World, course: i64) -> Result<(Vec<String>, Vec<String>)> {
    let titles =
        sqlx::query("select lesson_id, title from content.lessons where course_id = $1 and version = 1")
            .bind(course)
            .fetch_all(&world.pool)
            .await?;
    let titles: HashMap<String, String> = titles
        .iter()
        .map(|row| (row.get("lesson_id"), row.get("title")))
        .collect();
    let prefix = format!("{course}/v1/");
    let keys: Vec<String> = titles.keys().map(|lesson| format!("{prefix}{lesson}")).collect();
    let mut documents = world.documents()?.get_many("content.chunks", &keys).await?;
    documents.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (mut chunks, mut pieces) = (Vec::new(), BTreeSet::new());
    for (key, body) in documents {
        let title = key
            .strip_prefix(&prefix)
            .and_then(|lesson| titles.get(lesson))
            .context("a chunk has a lesson")?;
        for chunk in body["chunks"].as_array().context("a document has chunks")? {
            let (heading, text) = (
                chunk["heading"].as_str().unwrap_or_default(),
                chunk["text"].as_str().unwrap_or_default(),
            );
            chunks.push(if heading.is_empty() {
                format!("{title}\n{text}")
            } else {
                format!("{title} › {heading}\n{text}")
            });
            let under = heading.rsplit(" › ").next().filter(|own| !own.is_empty());
            let under = under.unwrap_or(title);
            for unit in smartcourse_text::units(text, heading) {
                let piece = &text[unit.range.clone()];
                if unit.kind.says_something() && words(piece).len() > 1 {
                    pieces.insert(match unit.context {
                        Some(context) => format!("{under}: {} {piece}", &text[context]),
                        None => format!("{under}: {piece}"),
                    });
                }
            }
        }
    }
    let embedded: i64 = sqlx::query_scalar("select count(*) from content.embeddings")
        .fetch_one(&world.pool)
        .await?;
    let known = chunks.len() + pieces.len();
    ensure!(
        known as i64 == embedded,
        "the service embedded {embedded} texts, not {known}"
    );
    Ok((chunks, pieces.into_iter().collect()))
}

/// Embeds texts batch by batch and counts their tokens.
async fn plain_loop(directory: &Path, texts: Vec<String>) -> Result<(Spent, usize)> {
    let model = MiniLm::load(directory)?;
    let work = move || {
        let since = Since::now();
        for batch in texts.chunks(BATCH) {
            let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
            std::hint::black_box(model.embed(&batch));
        }
        let spent = since.spent();
        (spent, texts.iter().map(|text| model.tokenize(text).len()).sum())
    };
    Ok(tokio::task::spawn_blocking(work).await?)
}
