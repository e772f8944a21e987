//! The words by which a user finds a conversation. Not their stems: what it is about may be a course in any language.

use std::collections::BTreeSet;

use smartcourse_proto::assistant::Turn;
use smartcourse_retrieval::Analyzer;

/// Bytes of the words of a conversation from which on no more are kept. PostgreSQL takes a megabyte, and a turn adds less than the rest.
pub(super) const MAX_BYTES: i32 = 500_000;
/// Bytes of a word: of a longer one the beginning counts.
const LONGEST: usize = 100;

/// The words of a question and its answer.
pub(super) fn of_turn(turn: &Turn) -> Vec<String> {
    let answer = turn.answer.as_ref().map_or("", |answer| &answer.answer);
    let words = [turn.question.as_str(), answer].into_iter().flat_map(words);
    words.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The `tsquery` for texts that have words which begin with all of these; `None` when there is none.
pub(super) fn query(text: &str) -> Option<String> {
    let word = |word: String| format!("'{}':*", word.replace('\'', "''"));
    let words: Vec<String> = words(text).map(word).collect();
    (!words.is_empty()).then(|| words.join("&"))
}

fn words(text: &str) -> impl Iterator<Item = String> + use<> {
    let terms = Analyzer::of("").terms(text).into_iter();
    terms.map(|mut word| {
        word.truncate(word.floor_char_boundary(LONGEST));
        word
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_postgresql_reads_them() {
        assert_eq!(query("Größe C++").as_deref(), Some("'grosse':*&'c++':*"));
        assert_eq!(query(" ?! "), None);
    }
}
