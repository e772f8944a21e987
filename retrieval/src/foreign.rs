//! Questions in another language than the text they are asked of.

use crate::{Analyzer, words};

/// Languages (BCP 47) that questions are told by.
const LANGUAGES: [&str; 8] = ["en", "de", "es", "fr", "it", "pt", "nl", "pl"];
/// By how many of its words that every text has a question must be rather of another language.
const RATHER: usize = 2;

/// Whether `question` is of another language than `language` (BCP 47), by the words that every text of a language has: none of
/// its other words will be found then.
pub fn is_foreign(question: &str, language: &str) -> bool {
    let words = words(question);
    let common = |language: &str| {
        let analyzer = Analyzer::of(language);
        words.iter().filter(|word| analyzer.is_common(word)).count()
    };
    let own = common(language);
    LANGUAGES.iter().any(|other| common(other) >= own + RATHER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_of_the_language_of_its_small_words() {
        for (question, language) in [
            ("How long must a gyrocompass run before it can be used?", "de"),
            ("Wie lange muss ein Kreiselkompass laufen?", "en"),
            ("¿Cuánto cobre se puede usar al año?", "de"),
        ] {
            assert!(is_foreign(question, language), "{question}");
        }
        for (question, language) in [
            ("Wie lange muss ein Kreiselkompass laufen?", "de"),
            ("gyrocompass", "de"),
            ("What does SELECT do?", "en"),
            ("Was macht der Computer mit dem Browser?", "de-AT"),
        ] {
            assert!(!is_foreign(question, language), "{question}");
        }
    }
}
