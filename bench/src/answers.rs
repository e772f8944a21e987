//! What the assistant answers over a corpus: whether the fact is in what it quotes, which lesson it quotes first, and what it
//! refuses.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Session, World, measure::table::Table};

use crate::{note, publish, published};

/// A question of `questions.json`; `examples/answers/README.md` has the format.
#[derive(Deserialize)]
struct Question {
    shape: String,
    question: String,
    #[serde(default)]
    before: Option<String>,
    /// The file of the lesson that answers, without its ending; absent when none does.
    #[serde(default)]
    lesson: Option<String>,
    /// Any of these stands in a right answer.
    #[serde(default)]
    facts: Vec<String>,
}

/// What came of the questions of one shape.
#[derive(Default)]
struct Outcome {
    asked: u32,
    answerable: u32,
    right: u32,
    first: u32,
    among_three: u32,
    refused: u32,
    quotes: usize,
}

/// What of the questions about one course was refused.
#[derive(Default)]
struct Refusals {
    /// Of those it answers, and of those near its subject that it does not: how many were asked, and how many refused.
    answerable: (u32, u32),
    near: (u32, u32),
}

/// Publishes each course of a corpus and asks its questions.
///
/// # Errors
/// When the corpus cannot be read, or a request is refused.
pub(crate) async fn measure(executable: &Path, corpus: &Path, misses: bool) -> Result<String> {
    let model_dir = publish::model_directory().await?.display().to_string();
    let multilingual = publish::multilingual_model_directory()?.display().to_string();
    let world = World::start_with(
        executable,
        Layout::Together,
        &[
            ("CONTENT__MODEL_DIR", &model_dir),
            ("CONTENT__MULTILINGUAL_MODEL_DIR", &multilingual),
        ],
    )
    .await?;
    let session = world.sign_up("instructor").await?;
    let mut outcomes: [BTreeMap<String, Outcome>; 2] = Default::default();
    let mut courses: BTreeMap<String, Refusals> = BTreeMap::new();
    let mut lessons = 0;
    for directory in sorted(corpus)?.into_iter().filter(|path| path.is_dir()) {
        note(&format!("publishing {}", directory.display()));
        let (titles, content) = read(&directory)?;
        lessons += content.len();
        let course = published::course(&session, &content).await?;
        published::publish(&session, &world.pool, course).await?;
        let questions = fs::read_to_string(directory.join("questions.json"))?;
        let questions: Vec<Question> = serde_json::from_str(&questions)?;
        note("asking");
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let refusals = courses.entry(name.into_owned()).or_default();
        for (place, question) in questions.iter().enumerate() {
            let answer = ask(&session, course, question).await?;
            let outcome = outcomes[place % 2].entry(question.shape.clone()).or_default();
            let is_right = outcome.add(question, &answer, &titles);
            refusals.add(question, &answer);
            if misses && !is_right && place % 2 == 0 {
                note(&format!("missed: {} → {}", question.question, answer["answer"]));
            }
        }
    }
    let [tuned, held_out] = outcomes;
    Ok(format!(
        "## Answers\n\n{lessons} lessons of `{}`, extractive, with the embedded models.\n\n### Held-out half\n\n{}\n### Half for tuning\n\n{}\n\
         ### Refused of each course, both halves\n\n{}",
        corpus.display(),
        table(&held_out),
        table(&tuned),
        by_course(&courses)
    ))
}

fn sorted(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("no corpus at {}", directory.display()))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}

/// The titles of the lessons by the names of their files, and the lessons as they are put into a course.
fn read(directory: &Path) -> Result<(BTreeMap<String, String>, Vec<Value>)> {
    let (mut titles, mut lessons) = (BTreeMap::new(), Vec::new());
    for path in sorted(directory)? {
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let (title, body) = text.split_once('\n').context("a lesson has a title and a text")?;
        let title = title.trim_start_matches('#').trim().to_owned();
        lessons.push(json!({"title": title, "type": "text", "order": lessons.len() + 1, "content": {"markdown": body.trim()}}));
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        titles.insert(name.into_owned(), title);
    }
    Ok((titles, lessons))
}

/// Asks as a person does: what was asked before first, in the same conversation.
async fn ask(session: &Session, course: i64, question: &Question) -> Result<Value> {
    let path = format!("/courses/{course}/ask");
    let mut body = json!({"question": question.question});
    if let Some(before) = &question.before {
        let answer = session
            .post(&path, &json!({"question": before}))
            .await?
            .expect(200)?;
        body["conversation_id"] = answer["conversation_id"].clone();
    }
    session.post(&path, &body).await?.expect(200)
}

impl Outcome {
    /// Counts an answer; whether it was right, or rightly refused.
    fn add(&mut self, question: &Question, answer: &Value, titles: &BTreeMap<String, String>) -> bool {
        let citations = citations(answer);
        let refused = citations.is_empty();
        self.asked += 1;
        self.refused += u32::from(refused);
        self.quotes += citations.len();
        let Some(lesson) = &question.lesson else {
            return refused;
        };
        let quotes: Vec<String> = citations
            .iter()
            .filter_map(|citation| Some(plain(citation["quote"].as_str()?)))
            .collect();
        let is_right = question
            .facts
            .iter()
            .any(|fact| quotes.iter().any(|quote| quote.contains(&plain(fact))));
        let title = titles.get(lesson).map(String::as_str);
        let is_lesson = |citation: &Value| citation["lesson_title"].as_str() == title;
        self.answerable += 1;
        self.right += u32::from(is_right);
        self.first += u32::from(citations.first().is_some_and(is_lesson));
        self.among_three += u32::from(citations.iter().take(3).any(is_lesson));
        is_right
    }
}

impl Refusals {
    fn add(&mut self, question: &Question, answer: &Value) {
        let (asked, refused) = match (&question.lesson, question.shape.as_str()) {
            (Some(_), _) => &mut self.answerable,
            (None, "near") => &mut self.near,
            _ => return,
        };
        *asked += 1;
        *refused += u32::from(citations(answer).is_empty());
    }
}

fn citations(answer: &Value) -> &[Value] {
    answer["citations"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A text in lower case, its lines as one.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

fn share(count: u32, of: u32) -> String {
    match of {
        0 => "–".to_owned(),
        of => format!("{:.2}", f64::from(count) / f64::from(of)),
    }
}

fn by_course(courses: &BTreeMap<String, Refusals>) -> String {
    let mut table = Table::new(&["course", "answerable", "refused", "near", "refused"]);
    for (course, Refusals { answerable, near }) in courses {
        table.row([
            course.clone(),
            answerable.0.to_string(),
            share(answerable.1, answerable.0),
            near.0.to_string(),
            share(near.1, near.0),
        ]);
    }
    table.finish()
}

fn table(outcomes: &BTreeMap<String, Outcome>) -> String {
    let mut table = Table::new(&[
        "shape",
        "questions",
        "fact quoted",
        "lesson cited first",
        "among the first three",
        "refused",
        "quotes each",
    ]);
    for (shape, outcome) in outcomes {
        table.row([
            shape.clone(),
            outcome.asked.to_string(),
            share(outcome.right, outcome.answerable),
            share(outcome.first, outcome.answerable),
            share(outcome.among_three, outcome.answerable),
            share(outcome.refused, outcome.asked),
            format!("{:.1}", outcome.quotes as f64 / f64::from(outcome.asked)),
        ]);
    }
    table.finish()
}
