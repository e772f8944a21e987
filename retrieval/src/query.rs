//! What a person types to find something.

use crate::{Analyzer, words::pieces};

/// A query: all that is wanted must be there, and nothing that is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Words, each by the terms that must stand side by side.
    pub wanted: Vec<Vec<String>>,
    /// The same for words of `-without`.
    pub unwanted: Vec<Vec<String>>,
}

impl Query {
    /// Reads `"a phrase"`, `-without` and words. The words every text has are left out, but not of a phrase, and not where
    /// there are no others: `The Who` is found.
    pub fn of(text: &str, analyzer: &Analyzer) -> Self {
        let mut query = Self::default();
        let mut common = Vec::new();
        for (place, part) in text.split('"').enumerate() {
            // What follows a last single mark is no phrase.
            let quoted = place % 2 == 1 && (place + 1 < text.split('"').count());
            if quoted {
                let phrase: Vec<String> = pieces(part)
                    .concat()
                    .iter()
                    .map(|word| analyzer.term(word))
                    .collect();
                query
                    .wanted
                    .extend(Some(phrase).filter(|phrase| !phrase.is_empty()));
                continue;
            }
            for word in part.split_whitespace() {
                let (without, word) = match word.strip_prefix('-') {
                    Some(word) => (true, word),
                    None => (false, word),
                };
                for piece in pieces(word) {
                    let is_common = matches!(&piece[..], [word] if analyzer.is_common(word));
                    let terms = piece.iter().map(|word| analyzer.term(word)).collect();
                    match (without, is_common) {
                        (true, _) => query.unwanted.push(terms),
                        (false, true) => common.push(terms),
                        (false, false) => query.wanted.push(terms),
                    }
                }
            }
        }
        if query.wanted.is_empty() {
            query.wanted = common;
        }
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let query = Query::of(text, &Analyzer::of("en"));
        let joined = |words: Vec<Vec<String>>| words.into_iter().map(|terms| terms.join(" ")).collect();
        (joined(query.wanted), joined(query.unwanted))
    }

    #[test]
    fn words_phrases_and_exclusions_are_told_apart() {
        assert_eq!(
            read("the retries of C++ -queues"),
            (vec!["retri".into(), "c++".into()], vec!["queue".into()])
        );
        assert_eq!(read("\"to be or not\" node.js").0, ["to be or not", "node js"]);
        assert_eq!(read("The Who").0, ["the", "who"]);
        assert_eq!(read("well-known \"open").0, ["well known", "open"]);
        for nothing in ["", "\"", "\"\"", "-", "((", "🦉"] {
            assert_eq!(read(nothing), (vec![], vec![]), "{nothing}");
        }
    }
}
