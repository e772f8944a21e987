//! Sentences that say what something is, and what one learns by them.

use smartcourse_proto::assistant::Drafted;

use super::{
    piece::{Lesson, Sentence},
    summary::telling,
};

/// What stands between a thing and what it is, in English, German, Spanish and French: with one of [`OPENS`] after it, and by itself.
const IS: [&str; 11] = [
    "is", "are", "was", "were", "ist", "sind", "war", "es", "son", "est", "sont",
];
const MEANS: [&str; 9] = [
    "means",
    "describes",
    "denotes",
    "bezeichnet",
    "bedeutet",
    "beschreibt",
    "significa",
    "designa",
    "désigne",
];
/// What may stand before a thing, and opens what it is.
const ARTICLES: [&str; 20] = [
    "a", "an", "the", "der", "die", "das", "ein", "eine", "el", "la", "los", "las", "un", "una", "unos",
    "unas", "le", "les", "une", "des",
];
const OPENS: [&str; 9] = ["what", "any", "one", "how", "was", "wie", "lo", "ce", "cualquier"];
/// Words of a name at most.
const NAME: usize = 4;
/// Words of what it is at least.
const SAID: usize = 3;
/// Objectives of a lesson at most.
const OBJECTIVES: usize = 2;

/// What a sentence defines, without an article; `None` when it does not.
fn defined<'s>(lesson: &Lesson<'_>, sentence: &'s str) -> Option<&'s str> {
    let mut words = Vec::new();
    let mut end = 0;
    for word in sentence.split_inclusive(char::is_whitespace) {
        words.push((end, word.trim_end()));
        end += word.len();
    }
    let at = |place: usize| {
        words
            .get(place)
            .map(|(_, word)| word.to_lowercase())
            .unwrap_or_default()
    };
    let is_article = |word: &str| ARTICLES.contains(&word);
    let is = |place: &usize| {
        let (word, next) = (at(*place), at(*place + 1));
        let opens = is_article(&next) || OPENS.contains(&next.as_str());
        MEANS.contains(&word.as_str()) || IS.contains(&word.as_str()) && opens
    };
    let copula = (0..words.len()).find(is)?;
    let begins = usize::from(is_article(&at(0)));
    let name = words
        .get(begins..copula)
        .filter(|name| (1..=NAME).contains(&name.len()))?;
    if words.len() - copula <= SAID {
        return None;
    }
    let last = name.last()?;
    let name = sentence.get(name.first()?.0..last.0 + last.1.len())?;
    // A sentence in commas, and what only words name that every text has, define nothing.
    let is_plain = !name.contains([',', ';', ':', '(', '"']);
    let is_common =
        |word: Option<&str>| word.is_none_or(|word| lesson.analyzer.is_common(&word.to_lowercase()));
    let mut own = name.split_whitespace();
    let is_something = !is_common(own.next()) && !own.next_back().is_some_and(|last| is_common(Some(last)));
    (is_plain && is_something).then_some(name)
}

/// What a lesson defines, each once, with how much it is spoken of.
pub(super) fn of(lesson: &Lesson<'_>) -> Vec<Drafted> {
    let mut found: Vec<Drafted> = Vec::new();
    for sentence in &lesson.sentences {
        if let Some(name) = defined(lesson, sentence.text) {
            let known = |other: &Drafted| other.term().to_lowercase() == name.to_lowercase();
            if !found.iter().any(known) {
                let mut drafted = sentence.drafted(sentence.text.to_owned(), spoken_of(lesson, name));
                drafted.term = Some(name.to_owned());
                found.push(drafted);
            }
        }
    }
    found
}

/// How many sentences of a lesson have a term of this name.
fn spoken_of(lesson: &Lesson<'_>, name: &str) -> f64 {
    let terms = lesson.analyzer.terms(name);
    let has = |sentence: &&Sentence<'_>| terms.iter().any(|term| sentence.terms.contains(term));
    lesson.sentences.iter().filter(has).count() as f64
}

/// What one can do after a lesson: say what it defines; else tell of what it is about.
pub(super) fn objectives(lesson: &Lesson<'_>) -> Vec<Drafted> {
    let mut defined = of(lesson);
    defined.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    defined.truncate(OBJECTIVES);
    if defined.is_empty()
        && let Some((place, weight)) = telling(&lesson.sentences, 1).pop()
    {
        let sentence = &lesson.sentences[place];
        defined.push(sentence.drafted(sentence.text.to_owned(), weight));
    }
    defined
}

#[cfg(test)]
mod tests {
    use super::{super::piece::tests::lesson, *};

    #[test]
    fn what_is_said_to_be_something_is_defined() {
        let passages = lesson("1", &["Compensations undo the steps of sagas one by one."]);
        let lesson = Lesson::of(&passages);
        for (sentence, name) in [
            ("A saga is a sequence of steps with compensations.", Some("saga")),
            (
                "Two-phase commit is a protocol for atomic commitment.",
                Some("Two-phase commit"),
            ),
            (
                "The garbage collector is what frees memory.",
                Some("garbage collector"),
            ),
            ("What follows is a long list of things.", None),
            ("Every step that is done has to be undone.", None),
            ("In 1987, Salem was at Princeton University.", None),
            ("Sagas are long.", None),
            ("Steps that fail are retried at most five times.", None),
            ("Steps undo what was done before them.", None),
        ] {
            assert_eq!(defined(&lesson, sentence), name, "{sentence}");
        }
    }
}
