//! Questions that lean on the one before them: "and why?", "who invented it?".

use std::collections::HashSet;

use smartcourse_platform::ports::search::Term;
use smartcourse_retrieval::words;

/// Terms of a question that may be a fragment.
const FEW: usize = 3;
/// What begins a question that goes on.
const GOING_ON: [&str; 11] = [
    "and", "but", "und", "aber", "oder", "y", "e", "pero", "et", "mais", "ma",
];
/// Words that stand for what was named before, in English, German, Spanish and French. Left out are those that are articles,
/// conjunctions or empty subjects more often.
const STANDING_IN: [&str; 38] = [
    "it", "its", "itself", "they", "them", "their", "theirs", "this", "these", "those", "he", "him", "his",
    "she", "her", "hers", "such", "es", "sie", "ihn", "ihm", "ihnen", "dies", "davon", "dazu", "damit",
    "dafür", "daran", "darüber", "dabei", "eso", "esto", "ello", "ellos", "ellas", "cela", "ceci", "ça",
];
/// `that` and `one` stand for something only beside these.
const BEFORE_THAT: [&str; 8] = ["is", "was", "does", "do", "about", "of", "like", "are"];
const BEFORE_ONE: [&str; 8] = [
    "the", "first", "second", "third", "last", "other", "which", "next",
];

/// How a question leans on the one before it.
#[derive(Default)]
pub(super) struct Leaning {
    own: HashSet<String>,
}

impl Leaning {
    /// How `question`, of which `terms` are known and which by itself is answered or not, leans on the one `before`; `None`
    /// when it stands alone. A question of many words that finds an answer does.
    pub(super) fn of(question: &str, before: &str, terms: &[Term], is_answered: bool) -> Option<Self> {
        let few = terms.len() <= FEW;
        let leans = !before.trim().is_empty()
            && (!is_answered && few || points_back(question) && (few || !is_answered));
        leans.then(|| Self {
            own: terms.iter().map(|term| term.term.clone()).collect(),
        })
    }

    /// Whether there is a question before, and the term is none of it alone.
    pub(super) fn is_own(&self, term: &str) -> bool {
        self.own.contains(term)
    }

    /// Whether the question leans.
    pub(super) fn leans(&self) -> bool {
        !self.own.is_empty()
    }
}

/// Whether a question goes on, or names something by a word that stands for it.
fn points_back(question: &str) -> bool {
    let words = words(question);
    let after = |place: usize, words_before: &[&str]| {
        let before = place.checked_sub(1).and_then(|before| words.get(before));
        before.is_some_and(|before| words_before.contains(&before.as_str()))
    };
    let stands_in = |(place, word): (usize, &String)| match word.as_str() {
        "that" | "there" => place + 1 == words.len() || after(place, &BEFORE_THAT),
        "one" | "ones" => after(place, &BEFORE_ONE),
        word => STANDING_IN.contains(&word),
    };
    words
        .first()
        .is_some_and(|first| GOING_ON.contains(&first.as_str()))
        || words.iter().enumerate().any(stands_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_something_points_back() {
        for question in [
            "and why?",
            "Who invented it?",
            "what is that",
            "which one?",
            "und wann?",
            "Wer hat sie erfunden?",
        ] {
            assert!(points_back(question), "{question}");
        }
        for question in [
            "Define photosynthesis.",
            "What is a function that returns?",
            "Cantilever?",
            "Was ist das Modul X?",
        ] {
            assert!(!points_back(question), "{question}");
        }
    }

    #[test]
    fn a_question_that_stands_alone_does_not_lean() {
        let terms = |count: usize| {
            vec![
                Term {
                    term: "x".to_owned(),
                    rarity: 1.0,
                    known: true
                };
                count
            ]
        };
        let leans = |question, count, answered| {
            Leaning::of(question, "What is a saga?", &terms(count), answered).is_some()
        };
        assert!(leans("and why?", 1, true) && leans("its price", 1, false) && leans("Unit?", 1, false));
        assert!(
            !leans("Cantilever?", 1, true) && !leans("How does a worker poll its queue for tasks?", 4, true)
        );
        assert!(Leaning::of("and why?", " ", &terms(1), false).is_none());
    }
}
