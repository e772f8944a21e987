//! The words of entries and queries in the forms of PostgreSQL's text search. The words are ours: its own parser splits `C++`,
//! takes Chinese for one word, and has no say in what is folded.

use std::{collections::BTreeMap, fmt::Write as _};

use smartcourse_retrieval::{Analyzer, Query, Ways, placed};

/// The largest place of a word that PostgreSQL keeps, and the most places of one word.
const LAST_PLACE: u32 = 16_383;
const MOST_PLACES: usize = 255;
/// Bytes of all words and their places: PostgreSQL takes a megabyte. What is behind is not found.
const LARGEST: usize = 900_000;
const BYTES_OF_PLACE: usize = 4;
/// Bytes of a word: PostgreSQL takes 2,046.
const LONGEST: usize = 1_000;

/// The `tsvector` of texts, each with the weight of its words (`A` to `D`): every text a little after the one before, so that no
/// phrase goes over both.
pub(super) fn vector(texts: &[(char, &str)], analyzer: &Analyzer) -> String {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let (mut begin, mut bytes) = (0, 0);
    for (weight, text) in texts {
        let mut last = begin;
        for word in placed(text) {
            last = (begin + word.place).min(LAST_PLACE);
            let term = analyzer.term(&word.text);
            bytes += term.len() + BYTES_OF_PLACE;
            if bytes > LARGEST {
                break;
            }
            let of_word = places.entry(term).or_default();
            if of_word.len() < MOST_PLACES {
                of_word.push(format!("{last}{weight}"));
            }
        }
        begin = last + 10;
    }
    let mut vector = String::new();
    for (term, places) in places {
        let _ = write!(vector, "{}:{} ", quoted(&term), places.join(","));
    }
    vector
}

/// The `tsquery` of a query; empty, which nothing fits, when it wants nothing.
pub(super) fn query(query: &Query) -> String {
    if query.wanted.is_empty() {
        return String::new();
    }
    let side_by_side = |terms: &Vec<String>| {
        let terms: Vec<String> = terms.iter().map(|term| quoted(term)).collect();
        terms.join("<->")
    };
    let any = |ways: &Ways| {
        format!(
            "({})",
            ways.iter().map(side_by_side).collect::<Vec<_>>().join("|")
        )
    };
    let wanted = query.wanted.iter().map(any);
    let unwanted = query.unwanted.iter().map(|ways| format!("!{}", any(ways)));
    wanted.chain(unwanted).collect::<Vec<_>>().join("&")
}

fn quoted(term: &str) -> String {
    let term = &term[..term.floor_char_boundary(LONGEST)];
    format!("'{}'", term.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_written_as_postgresql_reads_them() {
        let english = Analyzer::of("en");
        assert_eq!(
            vector(&[('A', "Sagas"), ('B', "A saga, node.js")], &english),
            "'a':12B 'js':15B 'node':14B 'node.js':14B 'saga':1A,13B "
        );
        let asked = Query::of("sagas \"to be\" -queues", &english);
        assert_eq!(query(&asked), "('saga')&('to'<->'be')&!('queue')");
        assert_eq!(query(&Query::of("-queues", &english)), "");
        assert_eq!(quoted("o'\\"), "'o''\\\\'");
    }
}
