//! The rules of courses and their content, free of I/O.

use std::collections::BTreeSet;

use icu_locale_core::LanguageIdentifier;
use rust_decimal::Decimal;
use serde_json::Value;
use smartcourse_platform::{
    Error, Result,
    error::{Problems, first_few, to_json},
};
use smartcourse_proto::{
    common::Money,
    course::{Content, Lesson, LessonType, Module, QuestionKind, Quiz},
    limits,
};

use crate::{codes, config};

/// The price, with at most two decimals. Records what is wrong with it, and a limit of enrollments below 1.
pub(crate) fn terms(
    problems: &mut Problems,
    max_enrollments: Option<i32>,
    price: Option<&Money>,
) -> (Option<Decimal>, Option<String>) {
    let seats = max_enrollments.is_none_or(|max| max > 0);
    problems.require(seats, "max_enrollments", "must be positive");
    let Some(price) = price else { return (None, None) };
    let amount = price
        .amount
        .parse::<Decimal>()
        .ok()
        .filter(|amount| !amount.is_sign_negative() && amount.scale() <= 2);
    problems.require(
        amount.is_some(),
        "price.amount",
        "must be a decimal of at least 0 with at most 2 places, such as \"49.00\"",
    );
    let currency = price.currency.len() == 3 && price.currency.chars().all(|c| c.is_ascii_uppercase());
    problems.require(
        currency,
        "price.currency",
        "must be an ISO 4217 code such as \"USD\"",
    );
    problems.require(
        amount.is_none_or(|amount| amount < Decimal::from(10_u64.pow(limits::PRICE_DIGITS))),
        "price.amount",
        "is too large",
    );
    (amount, Some(price.currency.clone()))
}

/// A language tag in its usual spelling, or a recorded problem.
pub(crate) fn language(problems: &mut Problems, tag: Option<&str>) -> Option<String> {
    let read = LanguageIdentifier::try_from_str(tag?);
    let known = read.ok().filter(|language| !language.language.is_unknown());
    problems.require(
        known.is_some(),
        "language",
        "must be a language tag (BCP 47), such as \"en\" or \"pt-BR\"",
    );
    known.map(|language| language.to_string())
}

/// Gives ids to what has none, puts everything in order and numbers it from 1.
/// Fails with one `validation_failed` that names everything wrong.
pub(crate) fn normalise(modules: &mut [Module]) -> Result<()> {
    let mut problems = Problems::default();
    problems.require(
        modules.len() <= limits::MODULES,
        "modules",
        format!("must have at most {}", limits::MODULES),
    );
    let lessons: usize = modules.iter().map(|module| module.lessons.len()).sum();
    problems.require(
        lessons <= limits::LESSONS,
        "modules",
        format!("must have at most {} lessons in all", limits::LESSONS),
    );
    let mut seen = BTreeSet::new();
    for (m, module) in modules.iter_mut().enumerate() {
        let path = format!("modules[{m}]");
        identify(&mut problems, &mut seen, &path, &mut module.id, "m");
        problems.name(&format!("{path}.title"), &module.title, limits::TITLE);
        for (l, lesson) in module.lessons.iter_mut().enumerate() {
            let path = format!("{path}.lessons[{l}]");
            identify(&mut problems, &mut seen, &path, &mut lesson.id, "l");
            check_lesson(&mut problems, &format!("{path}."), lesson);
        }
        module.lessons.sort_by_key(|lesson| lesson.order);
        renumber(module.lessons.iter_mut().map(|lesson| &mut lesson.order));
    }
    modules.sort_by_key(|module| module.order);
    renumber(modules.iter_mut().map(|module| &mut module.order));
    problems.finish()
}

/// The content as it is kept. Refused is what nobody could put back: a request has limits of its own.
pub(crate) fn sized(content: &Content, limits: config::Course) -> Result<Value> {
    let json = to_json(content)?;
    let (bytes, values) = (json.to_string().len(), count_values(&json));
    if bytes <= limits.max_content_bytes && values <= limits.max_content_values {
        return Ok(json);
    }
    let detail = format!(
        "the content would have {bytes} bytes and {values} values, at most {} and {} are kept",
        limits.max_content_bytes, limits.max_content_values
    );
    Err(Error::new(&codes::CONTENT_TOO_LARGE, detail))
}

/// Members of objects and items of lists, all together.
fn count_values(json: &Value) -> usize {
    match json {
        Value::Array(items) => items.iter().map(|item| 1 + count_values(item)).sum(),
        Value::Object(members) => members.values().map(|member| 1 + count_values(member)).sum(),
        _ => 0,
    }
}

/// Numbers orders from 1.
pub(crate) fn renumber<'a>(orders: impl Iterator<Item = &'a mut i32>) {
    for (order, number) in orders.zip(1..) {
        *order = number;
    }
}

/// A new id of a module (`m`) or lesson (`l`).
pub(crate) fn new_id(prefix: &str) -> String {
    format!("{prefix}-{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// The id of a module or lesson that a caller may ask for twice under one key: the same key gives the same id, so the
/// draft itself remembers that it was made.
pub(crate) fn id_for_key(prefix: &str, course_id: i64, key: &str) -> String {
    let name = format!("{prefix}:{course_id}:{key}");
    let id = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, name.as_bytes());
    format!("{prefix}-{}", &id.simple().to_string()[..12])
}

fn identify(problems: &mut Problems, seen: &mut BTreeSet<String>, path: &str, id: &mut String, prefix: &str) {
    if id.is_empty() {
        *id = new_id(prefix);
    }
    let shape = id.len() <= limits::PART_ID
        && id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    problems.require(
        shape,
        format!("{path}.id"),
        format!("must be 1 to {} letters, digits, - or _", limits::PART_ID),
    );
    problems.require(seen.insert(id.clone()), format!("{path}.id"), "is used twice");
}

/// Refuses a module that no draft could have, before it is looked whether this one has it.
pub(crate) fn require_module(title: &str) -> Result<()> {
    let mut problems = Problems::default();
    problems.name("title", title, limits::TITLE);
    problems.finish()
}

/// Likewise a lesson.
pub(crate) fn require_lesson(lesson: &mut Lesson) -> Result<()> {
    let mut problems = Problems::default();
    check_lesson(&mut problems, "", lesson);
    problems.finish()
}

fn check_lesson(problems: &mut Problems, prefix: &str, lesson: &mut Lesson) {
    problems.name(&format!("{prefix}title"), &lesson.title, limits::TITLE);
    problems.require(
        lesson.r#type() != LessonType::Unspecified,
        format!("{prefix}type"),
        "is missing",
    );
    let content = lesson.content.get_or_insert_default();
    if let Some(quiz) = content.quiz.as_mut() {
        check_quiz(problems, &format!("{prefix}content.quiz"), quiz);
    }
}

fn check_quiz(problems: &mut Problems, path: &str, quiz: &mut Quiz) {
    problems.require(
        (0..=100).contains(&quiz.pass_percent),
        format!("{path}.pass_percent"),
        "must be 0 to 100",
    );
    problems.require(
        quiz.max_attempts.is_none_or(|max| max > 0),
        format!("{path}.max_attempts"),
        "must be positive",
    );
    let mut seen = BTreeSet::new();
    for (q, question) in quiz.questions.iter_mut().enumerate() {
        let path = format!("{path}.questions[{q}]");
        if question.points == 0 {
            question.points = 1;
        }
        if question.id.is_empty() {
            question.id = format!("q{}", q + 1);
        }
        problems.require(
            seen.insert(question.id.clone()),
            format!("{path}.id"),
            "is used twice",
        );
        problems.name(&format!("{path}.id"), &question.id, limits::QUIZ_ID);
        for (o, option) in question.options.iter().enumerate() {
            problems.name(&format!("{path}.options[{o}].id"), &option.id, limits::QUIZ_ID);
            problems.text(
                &format!("{path}.options[{o}].text"),
                &option.text,
                limits::QUIZ_TEXT,
            );
        }
        problems.text(&format!("{path}.prompt"), &question.prompt, limits::QUIZ_TEXT);
        problems.require(question.points > 0, format!("{path}.points"), "must be positive");
        problems.require(
            !question.correct.is_empty(),
            format!("{path}.correct"),
            "must name at least one answer",
        );
        let options: BTreeSet<&str> = question.options.iter().map(|option| option.id.as_str()).collect();
        let known = question.correct.iter().all(|id| options.contains(id.as_str()));
        match question.kind() {
            QuestionKind::SingleChoice => {
                problems.require(
                    known && question.correct.len() <= 1,
                    format!("{path}.correct"),
                    "must be the id of one option",
                );
            }
            QuestionKind::MultipleChoice => {
                problems.require(known, format!("{path}.correct"), "must be ids of options")
            }
            QuestionKind::ShortText => {}
            QuestionKind::Unspecified => problems.add(format!("{path}.kind"), "is missing"),
        }
        problems.require(
            options.len() == question.options.len(),
            format!("{path}.options"),
            "must have different ids",
        );
    }
}

/// What a publish demands of the content: at least one lesson, and in each what its type needs.
pub(crate) fn publishable(content: &Content) -> Result<()> {
    let mut lessons = content
        .modules
        .iter()
        .flat_map(|module| &module.lessons)
        .peekable();
    if lessons.peek().is_none() {
        return Err(Error::new(&codes::NO_LESSONS, "the course has no lesson"));
    }
    let lack = |lesson: &Lesson| Some(format!("“{}” ({}) {}", lesson.title, lesson.id, lacks(lesson)?));
    let incomplete = first_few(lessons.filter_map(lack));
    incomplete.map_or(Ok(()), |incomplete| {
        Err(Error::new(&codes::LESSON_INCOMPLETE, incomplete))
    })
}

fn lacks(lesson: &Lesson) -> Option<&'static str> {
    let content = lesson.content.clone().unwrap_or_default();
    let has_text = content.markdown.is_some_and(|text| !text.trim().is_empty());
    let has_file = content.asset_id.is_some_and(|id| !id.is_empty());
    let has_transcript = content.transcript_asset_id.is_some_and(|id| !id.is_empty());
    match lesson.r#type() {
        LessonType::Text => (!has_text && !has_file).then_some("has no text"),
        LessonType::Pdf | LessonType::Document => (!has_file).then_some("has no file"),
        LessonType::Video | LessonType::Audio => {
            (!has_file && !has_transcript).then_some("has neither a file nor a transcript")
        }
        LessonType::Quiz => {
            let empty = content.quiz.is_none_or(|quiz| quiz.questions.is_empty());
            empty.then_some("has no questions")
        }
        LessonType::Unspecified => Some("has no type"),
    }
}

/// Removes what students must not see.
pub(crate) fn without_keys(mut content: Content) -> Content {
    let lessons = content.modules.iter_mut().flat_map(|module| &mut module.lessons);
    let quizzes = lessons.filter_map(|lesson| lesson.content.as_mut()?.quiz.as_mut());
    for question in quizzes.flat_map(|quiz| &mut quiz.questions) {
        question.correct.clear();
    }
    content
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::course::{LessonContent, Question};

    use super::*;

    fn lesson(title: &str, kind: LessonType, content: LessonContent) -> Lesson {
        Lesson {
            title: title.to_owned(),
            r#type: kind.into(),
            content: Some(content),
            ..Lesson::default()
        }
    }

    #[test]
    fn ids_are_kept_or_made_and_orders_are_numbered() {
        let mut modules = vec![
            Module {
                title: "B".to_owned(),
                order: 2,
                id: "keep".to_owned(),
                ..Module::default()
            },
            Module {
                title: "A".to_owned(),
                order: 1,
                lessons: vec![lesson("x", LessonType::Text, LessonContent::default())],
                ..Module::default()
            },
        ];
        normalise(&mut modules).expect("valid");
        assert_eq!((modules[1].id.as_str(), modules[1].order), ("keep", 2));
        assert!(!modules[0].id.is_empty() && !modules[0].lessons[0].id.is_empty());
    }

    #[test]
    fn every_problem_is_named_at_once() {
        let mut modules = vec![
            Module {
                title: "x".repeat(10_000),
                id: "same".to_owned(),
                ..Module::default()
            },
            Module {
                title: String::new(),
                id: "same".to_owned(),
                ..Module::default()
            },
        ];
        let error = normalise(&mut modules).expect_err("wrong");
        assert_eq!(error.fields().len(), 3, "{:?}", error.fields());
    }

    #[test]
    fn a_lesson_without_what_its_type_needs_is_named() {
        let content = |lesson: Lesson| Content {
            modules: vec![Module {
                lessons: vec![lesson],
                ..Module::default()
            }],
            ..Content::default()
        };
        assert!(
            publishable(&Content::default())
                .expect_err("empty")
                .is(&codes::NO_LESSONS)
        );
        let error = publishable(&content(lesson("P", LessonType::Pdf, LessonContent::default())))
            .expect_err("no file");
        assert!(error.is(&codes::LESSON_INCOMPLETE) && error.detail().contains("P"));
        let text = LessonContent {
            markdown: Some("words".to_owned()),
            ..LessonContent::default()
        };
        assert!(publishable(&content(lesson("T", LessonType::Text, text))).is_ok());
    }

    #[test]
    fn students_never_see_quiz_keys() {
        let quiz = Quiz {
            questions: vec![Question {
                correct: vec!["a".to_owned()],
                ..Question::default()
            }],
            ..Quiz::default()
        };
        let content = Content {
            modules: vec![Module {
                lessons: vec![lesson(
                    "Q",
                    LessonType::Quiz,
                    LessonContent {
                        quiz: Some(quiz),
                        ..LessonContent::default()
                    },
                )],
                ..Module::default()
            }],
            ..Content::default()
        };
        let json = serde_json::to_string(&without_keys(content)).expect("serialises");
        assert!(!json.contains("correct"), "{json}");
    }
}
