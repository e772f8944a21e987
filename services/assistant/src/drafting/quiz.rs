//! Questions that are definitions with a gap, each with one answer that the text says is right and others that it does not.

use std::collections::HashSet;

use smartcourse_proto::{
    assistant::{Drafted, GeneratedDraft},
    course::{Choice, Question, QuestionKind, Quiz},
};
use smartcourse_retrieval::Analyzer;

use super::{choice, wording};

/// Wrong options of a question.
const WRONG: usize = 3;
const GAP: &str = "____";
const PASS_PERCENT: i32 = 70;
const ATTEMPTS: i32 = 3;

/// A quiz over what is defined.
pub(super) fn draft(language: &str, parts: Vec<Drafted>) -> GeneratedDraft {
    let analyzer = Analyzer::of(language);
    let defined = choice::named_once(parts);
    let names: Vec<String> = defined
        .iter()
        .filter_map(|drafted| drafted.term.clone())
        .collect();
    let mut questions = Vec::new();
    let mut citations = Vec::new();
    for drafted in choice::most(defined, choice::QUESTIONS) {
        let number = questions.len() + 1;
        if let (Some(question), Some(mut citation)) =
            (question(&analyzer, number, &drafted, &names), drafted.citation)
        {
            citation.n = i32::try_from(number).unwrap_or(i32::MAX);
            questions.push(question);
            citations.push(citation);
        }
    }
    GeneratedDraft {
        title: wording::of(language).quiz.to_owned(),
        quiz: Some(Quiz {
            pass_percent: PASS_PERCENT,
            max_attempts: Some(ATTEMPTS),
            questions,
        }),
        citations,
        ..GeneratedDraft::default()
    }
}

/// The question that a definition gives; `None` when its name stands in it twice, which would tell the answer.
fn question(analyzer: &Analyzer, number: usize, drafted: &Drafted, names: &[String]) -> Option<Question> {
    let name = drafted.term.as_deref()?;
    let (before, after) = drafted.text.split_once(name)?;
    let prompt = format!("{before}{GAP}{after}");
    let said: HashSet<String> = analyzer.terms(&prompt).into_iter().collect();
    let own = analyzer.terms(name);
    if own.iter().any(|term| said.contains(term)) {
        return None;
    }
    let wrong = wrong(analyzer, name, &said, names);
    let id = format!("q{number}");
    if wrong.len() < WRONG {
        return Some(Question {
            id,
            kind: QuestionKind::ShortText.into(),
            prompt,
            correct: vec![name.to_owned()],
            points: 1,
            ..Question::default()
        });
    }
    // The same draft twice is the same: the place of the right one follows from the text.
    let place = drafted.text.len() % (WRONG + 1);
    let mut texts: Vec<&str> = wrong;
    texts.insert(place, name);
    let option = |(index, text): (usize, &str)| Choice {
        id: char::from(b'a' + index as u8).to_string(),
        text: text.to_owned(),
    };
    let options: Vec<Choice> = texts.into_iter().enumerate().map(option).collect();
    Some(Question {
        correct: vec![options[place].id.clone()],
        id,
        kind: QuestionKind::SingleChoice.into(),
        prompt,
        options,
        points: 1,
    })
}

/// Other names of the course that the text does not let stand in the gap: they share no term with it or with the right one. Those of as many
/// words come first.
fn wrong<'n>(analyzer: &Analyzer, name: &str, said: &HashSet<String>, names: &'n [String]) -> Vec<&'n str> {
    let own = analyzer.terms(name);
    let words = |text: &str| text.split_whitespace().count();
    let is_apart = |other: &&String| {
        let terms = analyzer.terms(other);
        terms
            .iter()
            .all(|term| !said.contains(term) && !own.contains(term))
    };
    let mut others: Vec<&str> = names.iter().filter(is_apart).map(String::as_str).collect();
    others.sort_by_key(|other| words(other).abs_diff(words(name)));
    others.truncate(WRONG);
    others
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::assistant::Citation;

    use super::*;

    fn defined(name: &str, text: &str) -> Drafted {
        Drafted {
            text: text.to_owned(),
            term: Some(name.to_owned()),
            citation: Some(Citation {
                quote: text.to_owned(),
                ..Citation::default()
            }),
            weight: 1.0,
            ..Drafted::default()
        }
    }

    #[test]
    fn one_answer_is_right_by_the_text_and_the_others_are_not() {
        let parts = vec![
            defined("saga", "A saga is a sequence of steps with compensations."),
            defined("quorum", "A quorum is a majority of the replicas."),
            defined("lease", "A lease is a lock that ends by itself."),
            defined("heartbeat", "A heartbeat is a message that says one is alive."),
            defined("compensation", "A compensation is what undoes a step."),
        ];
        let draft = draft("en", parts);
        let quiz = draft.quiz.unwrap();
        assert_eq!((quiz.questions.len(), draft.citations.len()), (5, 5));
        for (question, citation) in quiz.questions.iter().zip(&draft.citations) {
            assert_eq!(question.kind(), QuestionKind::SingleChoice);
            assert_eq!(question.options.len(), 4);
            let says = |option: &Choice| question.prompt.replace(GAP, &option.text) == citation.quote;
            let right: Vec<&str> = question
                .options
                .iter()
                .filter(|option| says(option))
                .map(|option| option.id.as_str())
                .collect();
            assert_eq!(right, question.correct);
        }
        // What the sentence speaks of is no wrong answer.
        assert!(
            quiz.questions[0]
                .options
                .iter()
                .all(|option| option.text != "compensation")
        );
    }

    #[test]
    fn without_others_the_answer_is_written() {
        let draft = draft(
            "en",
            vec![defined(
                "saga",
                "A saga is a sequence of steps with compensations.",
            )],
        );
        let question = &draft.quiz.unwrap().questions[0];
        assert_eq!(question.kind(), QuestionKind::ShortText);
        assert_eq!(
            (question.prompt.as_str(), question.correct.as_slice()),
            (
                "A ____ is a sequence of steps with compensations.",
                &["saga".to_owned()][..]
            )
        );
    }
}
