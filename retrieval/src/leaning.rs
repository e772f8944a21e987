//! Sentences that go on from the one before.

use crate::words;

/// What such a sentence begins with, in English, German, Spanish and French.
const GOING_ON: [&str; 52] = [
    "it",
    "its",
    "this",
    "these",
    "that",
    "those",
    "they",
    "them",
    "their",
    "he",
    "she",
    "his",
    "her",
    "such",
    "then",
    "so",
    "but",
    "and",
    "or",
    "also",
    "however",
    "therefore",
    "thus",
    "otherwise",
    "here",
    "es",
    "sie",
    "er",
    "dies",
    "diese",
    "dieser",
    "dieses",
    "dann",
    "aber",
    "und",
    "daher",
    "dabei",
    "hier",
    "esto",
    "esta",
    "este",
    "estos",
    "ello",
    "pero",
    "y",
    "cela",
    "ceci",
    "cette",
    "mais",
    "donc",
    "ainsi",
    "et",
];

/// Whether a sentence is read with the one before it, by the word it begins with; so is one without a word.
pub fn leans(sentence: &str) -> bool {
    words(sentence)
        .first()
        .is_none_or(|first| GOING_ON.contains(&first.as_str()))
}

#[cfg(test)]
mod tests {
    use super::leans;

    #[test]
    fn a_sentence_leans_by_its_first_word() {
        for sentence in [
            "It undoes every step.",
            "Dabei geht nichts verloren.",
            "– And so on.",
        ] {
            assert!(leans(sentence), "{sentence}");
        }
        for sentence in ["A saga has steps.", "There are three kinds.", "Items are sorted."] {
            assert!(!leans(sentence), "{sentence}");
        }
    }
}
