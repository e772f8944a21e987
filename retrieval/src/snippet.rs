//! The part of a text that shows why it was found.

use std::{cmp::Reverse, collections::HashSet, ops::Range};

use crate::{Analyzer, words::is_unparted};

/// Letters of a snippet, about.
const LETTERS: usize = 220;
/// Of these, before the first word that is shown for what it is.
const BEFORE: usize = 60;

/// The part of `text` with the most of `terms`, as a range of its bytes, and within it the words that have them.
pub fn snippet(
    text: &str,
    terms: &HashSet<String>,
    analyzer: &Analyzer,
) -> (Range<usize>, Vec<Range<usize>>) {
    let found = found(text, terms, analyzer);
    // The window of the most words, the first of such.
    let within = |from: &usize| {
        let end = found[*from].start + LETTERS;
        found[*from..].iter().take_while(|word| word.end <= end).count()
    };
    let best = (0..found.len()).max_by_key(|from| (within(from), Reverse(*from)));
    let first = best.map_or(0, |best| found[best].start);
    let start = edge(text, first.saturating_sub(BEFORE), first);
    let end = text.floor_char_boundary(text.len().min(start + LETTERS));
    // Cut between words, but not before the first that is shown.
    let shown = best.map_or(start, |best| found[best].end.min(end));
    let end = match text[end..].is_empty() {
        true => end,
        false => text[shown..end]
            .rfind(char::is_whitespace)
            .map_or(end, |at| shown + at),
    };
    let inside = found
        .into_iter()
        .filter(|word| word.start >= start && word.end <= end)
        .collect();
    (start..end, inside)
}

/// The beginning of a word at or after `at`, no later than `latest`.
fn edge(text: &str, at: usize, latest: usize) -> usize {
    let at = text.floor_char_boundary(at);
    if at == 0 {
        return 0;
    }
    let blank = text[at..latest].find(char::is_whitespace);
    blank.map_or(at, |blank| latest - text[at + blank..latest].trim_start().len())
}

/// The words of `text` that have any of `terms`. Of scripts without blanks, as many letters as have them.
fn found(text: &str, terms: &HashSet<String>, analyzer: &Analyzer) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let base = text.as_ptr() as usize;
    let is_end = |c: char| !(c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c));
    for word in text.split(|c: char| c.is_whitespace() || c == '/' || is_bracket(c)) {
        let start = word.as_ptr() as usize - base;
        if word.contains(is_unparted) {
            neighbours(word, start, terms, analyzer, &mut found);
            continue;
        }
        if analyzer.terms(word).iter().any(|term| terms.contains(term)) {
            let left = word.len() - word.trim_start_matches(|c| is_end(c) && c != '.').len();
            let right = word
                .trim_end_matches(|c| is_end(c) && !matches!(c, '+' | '#'))
                .len();
            if left < right {
                found.push(start + left..start + right);
            }
        }
    }
    found
}

fn is_bracket(c: char) -> bool {
    matches!(
        c,
        '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '|' | '"' | '“' | '”' | '«' | '»' | ',' | ';'
    )
}

fn neighbours(
    run: &str,
    start: usize,
    terms: &HashSet<String>,
    analyzer: &Analyzer,
    found: &mut Vec<Range<usize>>,
) {
    let letters: Vec<(usize, char)> = run.char_indices().collect();
    let pairs = letters
        .windows(2)
        .map(|pair| pair[0].0..pair[1].0 + pair[1].1.len_utf8());
    for pair in pairs {
        if !analyzer
            .terms(&run[pair.clone()])
            .iter()
            .any(|term| terms.contains(term))
        {
            continue;
        }
        let pair = start + pair.start..start + pair.end;
        match found
            .last_mut()
            .filter(|last| last.end >= pair.start && last.start >= start)
        {
            Some(last) => last.end = pair.end,
            None => found.push(pair),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, language: &str, asked: &str) -> String {
        let analyzer = Analyzer::of(language);
        let terms = analyzer.terms(asked).into_iter().collect();
        let (range, words) = snippet(text, &terms, &analyzer);
        let mut shown = String::new();
        let mut at = range.start;
        for word in words {
            shown.push_str(&text[at..word.start]);
            shown.push_str(&format!("[{}]", &text[word.clone()]));
            at = word.end;
        }
        shown + &text[at..range.end]
    }

    #[test]
    fn found_words_are_shown_where_they_are_many() {
        assert_eq!(
            shown("The Ethanol | 78 boils.", "en", "ethanol"),
            "The [Ethanol] | 78 boils."
        );
        assert_eq!(
            shown("Templates in C++, not C.", "en", "c++"),
            "Templates in [C++], not C."
        );
        assert_eq!(
            shown("Die Größe (der Schlüssel).", "de", "grosse schlussel"),
            "Die [Größe] (der [Schlüssel])."
        );
        assert_eq!(shown("値の所有権です", "ja", "所有権"), "値の[所有権]です");
        assert_eq!(shown("nothing here", "en", "saga"), "nothing here");
        let long = format!(
            "{} saga here and a saga there. {}",
            "word ".repeat(200),
            "word ".repeat(200)
        );
        let part = shown(&long, "en", "saga");
        assert!(
            part.contains("[saga] here and a [saga] there") && part.len() < 300,
            "{part}"
        );
        assert_eq!(shown("", "en", "saga"), "");
        let heading = format!("見出し\n\n{}所有権{}", "値".repeat(10), "値".repeat(80));
        assert!(shown(&heading, "ja", "所有権").contains("[所有権]"));
    }
}
