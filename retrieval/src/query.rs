//! What a person types to find something.

use crate::{Analyzer, words::pieces};

/// Words of a query, and terms of one of them, at most: what comes after is not asked for.
const MOST: usize = 64;

/// The ways in which something may be written, each by terms that stand side by side.
pub type Ways = Vec<Vec<String>>;

/// A query: all that is wanted must be there, and nothing that is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// What is looked for, each in any of some ways.
    pub wanted: Vec<Ways>,
    /// The same for words of `-without`.
    pub unwanted: Vec<Ways>,
}

impl Query {
    /// Reads `"a phrase"`, `-without`, `-"without a phrase"` and words. The words every text has are left out, but not of a
    /// phrase, and not where there are no others: `The Who` is found.
    pub fn of(text: &str, analyzer: &Analyzer) -> Self {
        let mut query = Self::default();
        let mut common: Vec<Ways> = Vec::new();
        let marks = text.matches('"').count();
        let mut without_phrase = false;
        for (place, part) in text.split('"').enumerate() {
            // What follows a last single mark is no phrase.
            if place % 2 == 1 && place < marks {
                let parts = pieces(part).into_iter().filter_map(|mut ways| ways.pop());
                let terms = parts.flatten().map(|word| analyzer.term(&word));
                let phrase: Vec<String> = terms.take(MOST).collect();
                if !phrase.is_empty() {
                    let side = if without_phrase {
                        &mut query.unwanted
                    } else {
                        &mut query.wanted
                    };
                    side.push(vec![phrase]);
                }
                continue;
            }
            without_phrase = part == "-" || part.ends_with(" -");
            for word in part.split_whitespace() {
                let (without, word) = match word.strip_prefix('-') {
                    Some(word) => (true, word),
                    None => (false, word),
                };
                for ways in pieces(word) {
                    let is_common = matches!(&ways.concat()[..], [word] if analyzer.is_common(word));
                    let terms =
                        |way: &Vec<String>| way.iter().map(|word| analyzer.term(word)).take(MOST).collect();
                    let ways = ways.iter().map(terms).collect();
                    match (without, is_common) {
                        (true, _) => query.unwanted.push(ways),
                        (false, true) => common.push(ways),
                        (false, false) => query.wanted.push(ways),
                    }
                }
            }
        }
        if query.wanted.is_empty() {
            query.wanted = common;
        }
        query.wanted.truncate(MOST);
        query.unwanted.truncate(MOST);
        query
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<String>) {
        let query = Query::of(text, &Analyzer::of("en"));
        let way = |terms: &Vec<String>| terms.join(" ");
        let joined = |all: Vec<Ways>| {
            let each = all
                .iter()
                .map(|ways| ways.iter().map(way).collect::<Vec<_>>().join("|"));
            each.collect()
        };
        (joined(query.wanted), joined(query.unwanted))
    }

    #[test]
    fn words_phrases_and_exclusions_are_told_apart() {
        assert_eq!(
            read("the retries of C++ -queues"),
            (vec!["retri".into(), "c++".into()], vec!["queue".into()])
        );
        assert_eq!(
            read("\"to be or not\" node.js").0,
            ["to be or not", "node.js|node js"]
        );
        assert_eq!(
            read("saga -\"step by step\""),
            (vec!["saga".into()], vec!["step by step".into()])
        );
        assert_eq!(read("The Who").0, ["the", "who"]);
        assert_eq!(read("well-known \"open").0, ["wellknown|well known", "open"]);
        assert_eq!(read("JavaScript").0, ["javascript|java script"]);
        for nothing in ["", "\"", "\"\"", "-", "((", "🦉", "´"] {
            assert_eq!(read(nothing), (vec![], vec![]), "{nothing}");
        }
    }
}
