//! Grading a quiz: a pure function of the quiz with its key and of what was answered.
//!
//! | kind | right when |
//! |---|---|
//! | single choice | exactly the one right option is named |
//! | multiple choice | exactly the right options are named, in any order |
//! | short text | it equals an accepted answer after [`comparable`] |
//!
//! A question that was not answered is wrong, and so is an option that does not exist. The pass mark is compared in
//! points, never in the rounded score.

use std::collections::{BTreeMap, BTreeSet};

use smartcourse_platform::{Result, error::Problems};
use smartcourse_proto::{
    course::{Question, QuestionKind, Quiz},
    limits,
    progress::{QuestionAnswer, QuestionResult},
};
use smartcourse_retrieval::normal;

use crate::percentage;

/// What was answered: question ids and the option ids, or the text. In the order of the ids, so that equal answers
/// have equal JSON.
pub(crate) type Answers = BTreeMap<String, Vec<String>>;

/// A graded attempt.
#[derive(Debug, PartialEq)]
pub(crate) struct Grade {
    /// Share of the points in hundredths of a percent.
    pub(crate) score: i32,
    /// Whether the pass mark was reached.
    pub(crate) passed: bool,
    /// Which questions were right; nothing of what would have been.
    pub(crate) questions: Vec<QuestionResult>,
}

/// The answers by question, or everything that is wrong with their form.
/// Fails with paths such as `answers.q9` for questions the quiz does not have or that are answered twice.
pub(crate) fn read(quiz: &Quiz, given: Vec<QuestionAnswer>) -> Result<Answers> {
    let known = quiz.questions.iter().map(|question| question.id.as_str());
    let known: BTreeSet<&str> = known.collect();
    let mut problems = Problems::default();
    let mut answers = Answers::new();
    for answer in given {
        let path = format!("answers.{}", answer.question_id);
        if !known.contains(answer.question_id.as_str()) {
            problems.add(&path, "is not a question of this quiz");
        }
        if answer.values.len() > limits::GIVEN {
            problems.add(&path, format!("must have at most {} values", limits::GIVEN));
        }
        let lengths = answer.values.iter().map(|value| value.chars().count());
        if lengths.max() > Some(limits::GIVEN_TEXT) {
            problems.add(
                &path,
                format!("must have at most {} characters", limits::GIVEN_TEXT),
            );
        }
        if answers.insert(answer.question_id, answer.values).is_some() {
            problems.add(path, "is answered twice");
        }
    }
    problems.finish()?;
    Ok(answers)
}

/// Grades answers against the key.
pub(crate) fn grade(quiz: &Quiz, answers: &Answers) -> Grade {
    let (mut earned, mut possible) = (0, 0);
    let mut questions = Vec::with_capacity(quiz.questions.len());
    for question in &quiz.questions {
        let points = question.points.max(1);
        let given = answers.get(&question.id).map_or(&[][..], Vec::as_slice);
        let correct = is_right(question, given);
        possible += i64::from(points);
        if correct {
            earned += i64::from(points);
        }
        questions.push(QuestionResult {
            question_id: question.id.clone(),
            correct,
            points: if correct { points } else { 0 },
        });
    }
    Grade {
        score: percentage::hundredths(earned, possible),
        passed: earned * 100 >= possible * i64::from(quiz.pass_percent),
        questions,
    }
}

fn is_right(question: &Question, given: &[String]) -> bool {
    match question.kind() {
        QuestionKind::SingleChoice => {
            matches!(given, [one] if question.correct.len() == 1 && question.correct.contains(one))
        }
        QuestionKind::MultipleChoice => {
            let given: BTreeSet<&String> = given.iter().collect();
            !given.is_empty() && given == question.correct.iter().collect()
        }
        QuestionKind::ShortText => match given {
            [text] => {
                let text = comparable(text);
                let mut accepted = question.correct.iter().map(|accepted| comparable(accepted));
                !text.is_empty() && accepted.any(|accepted| accepted == text)
            }
            _ => false,
        },
        QuestionKind::Unspecified => false,
    }
}

/// A text without what people do not mean: surrounding and repeated white space, case, and which of the spellings of the same
/// it is in.
fn comparable(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    normal(&words.join(" "))
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::course::Choice;

    use super::*;

    fn question(id: &str, kind: QuestionKind, correct: &[&str], points: i32) -> Question {
        let options = ["a", "b", "c"].map(|id| Choice {
            id: id.to_owned(),
            text: id.to_owned(),
        });
        Question {
            id: id.to_owned(),
            kind: kind.into(),
            prompt: "?".to_owned(),
            options: options.into(),
            correct: correct.iter().map(|id| (*id).to_owned()).collect(),
            points,
        }
    }

    fn quiz(pass_percent: i32) -> Quiz {
        Quiz {
            pass_percent,
            max_attempts: None,
            questions: vec![
                question("q1", QuestionKind::SingleChoice, &["b"], 0),
                question("q2", QuestionKind::MultipleChoice, &["a", "c"], 2),
                question("q3", QuestionKind::ShortText, &["History", "the log"], 3),
            ],
        }
    }

    fn answers(given: &[(&str, &[&str])]) -> Answers {
        given
            .iter()
            .map(|(id, values)| {
                (
                    (*id).to_owned(),
                    values.iter().map(|value| (*value).to_owned()).collect(),
                )
            })
            .collect()
    }

    fn right(given: &[(&str, &[&str])]) -> Vec<bool> {
        grade(&quiz(50), &answers(given))
            .questions
            .into_iter()
            .map(|question| question.correct)
            .collect()
    }

    #[test]
    fn each_kind_has_its_rule() {
        assert_eq!(
            right(&[("q1", &["b"]), ("q2", &["c", "a", "a"]), ("q3", &["history"])]),
            [true; 3]
        );
        assert_eq!(
            right(&[("q1", &["a"]), ("q2", &["a"]), ("q3", &["histories"])]),
            [false; 3]
        );
        assert_eq!(
            right(&[
                ("q1", &["b", "a"]),
                ("q2", &["a", "b", "c"]),
                ("q3", &["history", "the log"])
            ]),
            [false; 3]
        );
        assert_eq!(
            right(&[("q1", &["zzz"]), ("q2", &[]), ("q3", &["  "])]),
            [false; 3]
        );
        assert_eq!(right(&[]), [false; 3]);
    }

    #[test]
    fn short_texts_are_compared_as_people_mean_them() {
        for text in [" THE\t log ", "the  LOG", "history\n", "HiStOrY"] {
            assert!(right(&[("q3", &[text])])[2], "{text:?}");
        }
        assert_eq!(comparable("Straße"), comparable("STRASSE"));
        assert_eq!(comparable("cafe\u{301}"), comparable("CAF\u{c9}"));
        assert_ne!(comparable("the log"), comparable("thelog"));
    }

    #[test]
    fn points_weigh_and_the_pass_mark_is_exact() {
        let third = grade(&quiz(34), &answers(&[("q2", &["a", "c"])]));
        assert_eq!((third.score, third.passed), (3_333, false));
        // 33.33 is shown, and a third is what 33 asks for.
        assert!(grade(&quiz(33), &answers(&[("q2", &["a", "c"])])).passed);
        let half = grade(&quiz(50), &answers(&[("q3", &["history"])]));
        assert_eq!((half.score, half.passed), (5_000, true));
        let points: Vec<i32> = half.questions.iter().map(|question| question.points).collect();
        assert_eq!(points, [0, 0, 3]);
        let all = grade(
            &quiz(100),
            &answers(&[("q1", &["b"]), ("q2", &["a", "c"]), ("q3", &["the log"])]),
        );
        assert_eq!((all.score, all.passed), (10_000, true));
    }

    #[test]
    fn answers_of_a_wrong_form_are_named() {
        let answer = |id: &str, values: &[&str]| QuestionAnswer {
            question_id: id.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let long = "x".repeat(limits::GIVEN_TEXT + 1);
        let error = read(
            &quiz(50),
            vec![
                answer("q1", &["a"]),
                answer("q1", &["b"]),
                answer("q9", &["a"]),
                answer("q3", &[&long]),
            ],
        )
        .expect_err("is refused");
        let fields: Vec<&str> = error.fields().iter().map(|field| field.field.as_str()).collect();
        assert_eq!(fields, ["answers.q1", "answers.q9", "answers.q3"]);
        assert_eq!(
            read(&quiz(50), vec![answer("q2", &["a"])]).expect("is read"),
            answers(&[("q2", &["a"])])
        );
    }
}
