//! What of a sentence must not be changed: its numbers, its names, and whether it denies. English, German, Spanish and French.

use std::collections::BTreeSet;

use smartcourse_retrieval::words;

/// Numbers that are written as words.
const NUMBERS: [(&str, &[&str]); 17] = [
    ("2", &["two", "twice", "zwei", "zweimal", "dos", "deux"]),
    ("3", &["three", "thrice", "drei", "dreimal", "tres", "trois"]),
    ("4", &["four", "vier", "viermal", "cuatro", "quatre"]),
    ("5", &["five", "fünf", "fünfmal", "cinco", "cinq"]),
    ("6", &["six", "sechs", "seis"]),
    ("7", &["seven", "sieben", "siete", "sept"]),
    ("8", &["eight", "acht", "ocho", "huit"]),
    ("9", &["nine", "neun", "nueve", "neuf"]),
    ("10", &["ten", "zehn", "diez", "dix"]),
    ("11", &["eleven", "elf", "onze"]),
    ("12", &["twelve", "zwölf", "doce", "douze"]),
    ("20", &["twenty", "zwanzig", "veinte", "vingt"]),
    ("100", &["hundred", "hundert", "cien", "ciento", "cent"]),
    ("1000", &["thousand", "tausend", "mil", "mille"]),
    (
        "million",
        &["million", "millions", "millionen", "millón", "millones"],
    ),
    ("half", &["half", "hälfte", "halb", "mitad", "moitié"]),
    ("double", &["double", "doppelt", "doble"]),
];
/// Words that deny.
const DENIES: [&str; 33] = [
    "not", "no", "none", "never", "neither", "nor", "cannot", "without", "nobody", "nothing", "nowhere",
    "nicht", "kein", "keine", "keinen", "keinem", "keiner", "nie", "niemals", "niemand", "nichts", "ohne",
    "nunca", "jamás", "ningún", "ninguna", "sin", "nadie", "ne", "jamais", "aucun", "aucune", "sans",
];
/// Words a sentence may lead in with, or put its verb by, though no passage has them.
const SAY_LITTLE: [&str; 45] = [
    "additionally",
    "also",
    "although",
    "because",
    "besides",
    "can",
    "consequently",
    "could",
    "finally",
    "first",
    "furthermore",
    "generally",
    "hence",
    "however",
    "instead",
    "may",
    "meanwhile",
    "might",
    "moreover",
    "must",
    "namely",
    "needs",
    "next",
    "otherwise",
    "second",
    "secondly",
    "shall",
    "similarly",
    "since",
    "specifically",
    "therefore",
    "thus",
    "typically",
    "usually",
    "while",
    "would",
    "yes",
    "außerdem",
    "daher",
    "dabei",
    "muss",
    "además",
    "también",
    "donc",
    "ainsi",
];

/// The numbers of a text, as digits where they are words.
pub(super) fn numbers(text: &str) -> BTreeSet<String> {
    let number = |word: String| {
        if word.contains(char::is_numeric) {
            return Some(word);
        }
        let of_words = NUMBERS.iter().find(|(_, words)| words.contains(&word.as_str()));
        of_words.map(|(number, _)| (*number).to_owned())
    };
    words(text).into_iter().filter_map(number).collect()
}

/// Whether a text denies something.
pub(super) fn denies(text: &str) -> bool {
    let text = text.to_lowercase();
    let is_denial = |word: &str| DENIES.contains(&word) || word.ends_with("n't") || word.ends_with("n’t");
    text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '’')))
        .any(is_denial)
}

/// The words with a capital letter, and the first one: names, as far as a sentence shows.
pub(super) fn names(sentence: &str) -> Vec<&str> {
    let mut names = Vec::new();
    for (place, word) in sentence.split_whitespace().enumerate() {
        let is_capital = word.contains(char::is_uppercase);
        let opens = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if is_capital && !(place == 0 && says_little(&opens)) {
            names.push(word);
        }
    }
    names
}

/// Whether a word says nothing of what a sentence is about.
pub(super) fn says_little(word: &str) -> bool {
    SAY_LITTLE.contains(&word)
}
