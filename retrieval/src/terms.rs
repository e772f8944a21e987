//! Words as a language forms them.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use snowball_stemmers_rs::{Algorithm, Stemmer};

use crate::{
    normal::without_diacritics,
    words::{Word, placed, words},
};

/// The stemmers (snowballstem.org) of primary language subtags (BCP 47).
const STEMMERS: [(&str, Algorithm); 31] = [
    ("ar", Algorithm::Arabic),
    ("ca", Algorithm::Catalan),
    ("cs", Algorithm::Czech),
    ("da", Algorithm::Danish),
    ("de", Algorithm::German),
    ("el", Algorithm::Greek),
    ("en", Algorithm::English),
    ("es", Algorithm::Spanish),
    ("et", Algorithm::Estonian),
    ("eu", Algorithm::Basque),
    ("fi", Algorithm::Finnish),
    ("fr", Algorithm::French),
    ("ga", Algorithm::Irish),
    ("hi", Algorithm::Hindi),
    ("hu", Algorithm::Hungarian),
    ("hy", Algorithm::Armenian),
    ("id", Algorithm::Indonesian),
    ("it", Algorithm::Italian),
    ("lt", Algorithm::Lithuanian),
    ("nb", Algorithm::Norwegian),
    ("ne", Algorithm::Nepali),
    ("nl", Algorithm::Dutch),
    ("nn", Algorithm::Norwegian),
    ("no", Algorithm::Norwegian),
    ("pt", Algorithm::Portuguese),
    ("ro", Algorithm::Romanian),
    ("ru", Algorithm::Russian),
    ("sr", Algorithm::Serbian),
    ("sv", Algorithm::Swedish),
    ("ta", Algorithm::Tamil),
    ("tr", Algorithm::Turkish),
];

/// Words that ask, and auxiliaries of questions, which the lists of these languages lack.
const ASKING: [(&str, &str); 6] = [
    (
        "de",
        "weshalb warum wieso weswegen wann wer wen wem wessen wo woher wohin wofür wozu womit wodurch woran worauf woraus worin \
         wovon worüber wieviel wieviele",
    ),
    (
        "es",
        "cómo cuándo cuánto cuánta cuántos cuántas dónde adónde quién quiénes cuál cuáles puede pueden puedo",
    ),
    (
        "fr",
        "pourquoi quand comment combien où quoi quel quelle quels quelles lequel laquelle lesquels lesquelles peut peuvent",
    ),
    (
        "it",
        "quando come dove quale quali quanta quanti quante cosa può possono",
    ),
    (
        "nl",
        "wanneer waar waarom waarvoor waarmee wat welk welke hoeveel",
    ),
    (
        "pt",
        "como onde qual quais quanto quanta quantos quantas porquê pode podem posso",
    ),
];

/// A word of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The word, in its normal form.
    pub word: String,
    /// Its term.
    pub term: String,
    /// Whether it is written as one and its parts, which are known too, follow it.
    pub has_parts: bool,
}

/// How a language forms its words.
pub struct Analyzer {
    stemmer: Option<Stemmer>,
    stop: HashSet<String>,
}

impl Analyzer {
    /// Of a language (BCP 47); each is made once. One that no stemmer knows keeps its words as they are.
    pub fn of(language: &str) -> Arc<Self> {
        static MADE: LazyLock<Mutex<HashMap<String, Arc<Analyzer>>>> = LazyLock::new(Mutex::default);
        let primary = language
            .split('-')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let algorithm = STEMMERS
            .iter()
            .find(|(tag, _)| *tag == primary)
            .map(|(_, algorithm)| *algorithm);
        let listed = stop_words::lookup(&primary).unwrap_or_default();
        let asking = ASKING.iter().find(|(tag, _)| *tag == primary);
        let asking = asking.map_or("", |(_, words)| *words);
        // Those of which nothing is known are one, so that no number of tags makes many.
        let is_known = algorithm.is_some() || !listed.is_empty();
        let key = if is_known { primary } else { String::new() };
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let analyzer = || Self {
            stemmer: algorithm.map(Stemmer::create),
            stop: listed
                .iter()
                .flat_map(|word| words(word))
                .chain(words(asking))
                .collect(),
        };
        Arc::clone(made.entry(key).or_insert_with(|| Arc::new(analyzer())))
    }

    /// The terms of a text in order: its [`words`], each by its stem and without diacritics.
    pub fn terms(&self, text: &str) -> Vec<String> {
        words(text).iter().map(|word| self.term(word)).collect()
    }

    /// The words of a question that say what it is about, each once: without those every text has. A question of such words
    /// alone (`The Who`) keeps them.
    pub fn asked(&self, question: &str) -> Vec<Asked> {
        let words = placed(question);
        let is_telling = |word: &Word| !self.stop.contains(&word.text);
        let all_are_common = !words.iter().any(is_telling);
        let mut seen = HashSet::new();
        let kept = words
            .iter()
            .enumerate()
            .filter(|(_, word)| all_are_common || is_telling(word));
        let asked = kept.map(|(at, word)| Asked {
            word: word.text.clone(),
            term: self.term(&word.text),
            has_parts: has_parts(&words[at..]),
        });
        asked.filter(|asked| seen.insert(asked.term.clone())).collect()
    }

    /// Whether every text of the language has this word, in its normal form.
    pub fn is_common(&self, word: &str) -> bool {
        self.stop.contains(word)
    }

    /// The term of a word in its normal form.
    pub fn term(&self, word: &str) -> String {
        let is_plain = word.chars().all(char::is_alphabetic);
        let term = match &self.stemmer {
            Some(stemmer) if is_plain => without_diacritics(&stemmer.stem(word)),
            _ => without_diacritics(word),
        };
        // No stemmer leaves nothing of a word.
        if term.is_empty() { word.to_owned() } else { term }
    }
}

/// Whether the first of these words is followed by the parts it is written of: more than one, since `.net` is no net.
fn has_parts(words: &[Word]) -> bool {
    match words {
        [whole, first, second, ..] if whole.place == first.place => {
            let parts = format!("{}{}", first.text, second.text);
            whole.text.replace('.', "").starts_with(&parts)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_one_term() {
        let english = Analyzer::of("en-GB");
        assert_eq!(english.terms("retries retrying"), english.terms("retried retry"));
        let german = Analyzer::of("de");
        assert_eq!(german.terms("Größe Schlüsseln"), german.terms("grosse schlussel"));
        assert_eq!(Analyzer::of("xx").terms("Wörter C++"), ["worter", "c++"]);
    }

    #[test]
    fn a_question_is_about_its_telling_words() {
        let english = Analyzer::of("en");
        let asked = |question| {
            english
                .asked(question)
                .into_iter()
                .map(|asked| asked.word)
                .collect::<Vec<_>>()
        };
        assert_eq!(asked("What is the mascot of the lab?"), ["mascot", "lab"]);
        assert_eq!(asked("The Who"), ["the", "who"]);
        assert_eq!(asked("?"), [""; 0]);
        let german = Analyzer::of("de").asked("Weshalb und wofür reagiert der Kompass?");
        let words: Vec<&str> = german.iter().map(|asked| asked.word.as_str()).collect();
        assert_eq!(words, ["reagiert", "kompass"]);
    }

    #[test]
    fn a_word_knows_whether_its_parts_follow() {
        for (question, has_parts) in [
            ("well-known", true),
            ("node.js", true),
            (".NET runtime", false),
            ("saga", false),
        ] {
            let asked = Analyzer::of("en").asked(question);
            assert_eq!(asked[0].has_parts, has_parts, "{question}");
        }
    }
}
