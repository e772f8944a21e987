//! Words that a line break cuts: which of their hyphens are the author's.

use std::collections::HashSet;

/// Words that follow a hyphen which stands for the end of a word, as in `short- and long-term`.
const SUSPENDING: [&str; 16] = [
    "and", "or", "to", "und", "oder", "bzw", "sowie", "bis", "et", "ou", "y", "o", "e", "en", "of", "och",
];

/// Words that English joins to others by a hyphen, and the syllables that do not make a compound with them.
const COMPOUNDING: [&str; 31] = [
    "aware",
    "based",
    "bound",
    "centred",
    "centered",
    "defined",
    "dependent",
    "determining",
    "driven",
    "effective",
    "efficient",
    "friendly",
    "intensive",
    "level",
    "like",
    "making",
    "oriented",
    "proof",
    "related",
    "scale",
    "sensitive",
    "shaped",
    "sided",
    "sized",
    "specific",
    "term",
    "threaded",
    "tolerant",
    "type",
    "wide",
    "world",
];
const PREFIXES: [&str; 18] = [
    "a", "bi", "co", "de", "dis", "im", "in", "inter", "ir", "mid", "non", "over", "pre", "re", "sub",
    "under", "un", "child",
];

/// Numbers that stand before another.
const TENS: [&str; 8] = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];

/// Words within compounds of three, as in `start-to-close`.
const LINKS: [&str; 12] = [
    "to", "of", "in", "on", "the", "and", "or", "by", "for", "at", "up", "a",
];

/// The words of a document, as far as they tell of hyphens.
#[derive(Default)]
pub(super) struct Words {
    /// All words that stand whole, in small letters, with the hyphens within.
    whole: HashSet<String>,
    /// Whether the document draws soft hyphens within lines, where they are ordinary ones.
    soft_is_hard: bool,
}

impl Words {
    /// Takes note of a line. Its last word counts only if nothing cuts it.
    pub(super) fn note(&mut self, line: &str) {
        for word in line.split_whitespace() {
            let word = bare(word);
            self.soft_is_hard |= word.trim_end_matches('\u{ad}').contains('\u{ad}');
            if !word.is_empty() && !is_cut(word) {
                self.whole.insert(word.to_lowercase().replace('\u{ad}', "-"));
            }
        }
    }

    /// What stands between `text`, which may end in a hyphen, and `next`, the line after it: whether that hyphen
    /// stays, and whether a blank follows.
    pub(super) fn join(&self, text: &str, next: &str) -> Join {
        let Some(hyphen) = text.chars().next_back().filter(|c| HYPHENS.contains(c)) else {
            let both_ideographs = text.chars().next_back().is_some_and(is_ideograph)
                && next.chars().next().is_some_and(is_ideograph);
            // An address or a pair of words that goes on.
            let slash = text.ends_with('/') && !text.ends_with(" /");
            return Join {
                keep: true,
                blank: !(both_ideographs || slash),
            };
        };
        let stem = &text[..text.len() - hyphen.len_utf8()];
        let left = bare(stem.rsplit(char::is_whitespace).next().unwrap_or_default());
        let right = bare(next.split(char::is_whitespace).next().unwrap_or_default());
        let (left, right) = (left.to_lowercase(), right.to_lowercase());
        if !left.ends_with(char::is_alphanumeric) {
            // A dash, or an option of a command.
            return Join {
                keep: true,
                blank: true,
            };
        }
        if hyphen == '\u{ad}' && !self.soft_is_hard {
            return Join {
                keep: false,
                blank: false,
            };
        }
        if SUSPENDING.contains(&right.as_str()) {
            return Join {
                keep: true,
                blank: true,
            };
        }
        Join {
            keep: self.is_compound(&left, &right, next),
            blank: false,
        }
    }

    /// Whether the hyphen between the parts is one that stands there without a line break, too.
    fn is_compound(&self, left: &str, right: &str, next: &str) -> bool {
        let starts_small = next.chars().next().is_some_and(char::is_lowercase);
        if !starts_small || left.ends_with(|c: char| c.is_ascii_digit()) || left.contains('-') {
            return true;
        }
        let whole = right;
        let (right, goes_on) = right
            .split_once('-')
            .map_or((right, false), |(first, _)| (first, true));
        if self.whole.contains(&format!("{left}-{whole}")) || (goes_on && LINKS.contains(&right)) {
            return true;
        }
        if self.whole.contains(&format!("{left}-{right}")) {
            return true;
        }
        if self.whole.contains(&format!("{left}{right}")) {
            return false;
        }
        TENS.contains(&left) || (COMPOUNDING.contains(&right) && !PREFIXES.contains(&left))
    }
}

/// How two lines of a paragraph are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Join {
    /// Whether the last character of the first one stays.
    pub(super) keep: bool,
    /// Whether a blank stands between them.
    pub(super) blank: bool,
}

const HYPHENS: [char; 3] = ['-', '\u{ad}', '\u{2010}'];

/// Whether `word` ends in a hyphen.
pub(super) fn is_cut(word: &str) -> bool {
    let mut chars = word.chars().rev();
    chars.next().is_some_and(|c| HYPHENS.contains(&c)) && chars.next().is_some_and(char::is_alphanumeric)
}

/// `word` without what punctuation stands around it.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| !(c.is_alphanumeric() || HYPHENS.contains(&c)))
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff65}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(lines: &[&str], text: &str, next: &str) -> String {
        let mut words = Words::default();
        lines.iter().for_each(|line| words.note(line));
        let join = words.join(text, next);
        let end = text.char_indices().next_back().map_or(0, |(at, _)| at);
        let text = if join.keep { text } else { &text[..end] };
        format!("{text}{}{next}", if join.blank { " " } else { "" })
    }

    #[test]
    fn hyphens_of_line_breaks_go_and_those_of_compounds_stay() {
        let nothing = &[][..];
        assert_eq!(joined(nothing, "the pneu-", "matic horn"), "the pneumatic horn");
        assert_eq!(joined(nothing, "photosyn\u{ad}", "thesis"), "photosynthesis");
        assert_eq!(
            joined(
                &["all price-determining factors"],
                "These price-",
                "determining factors"
            ),
            "These price-determining factors"
        );
        assert_eq!(
            joined(nothing, "a cost-", "effective choice"),
            "a cost-effective choice"
        );
        assert_eq!(joined(nothing, "it is in-", "dependent"), "it is independent");
        assert_eq!(joined(&["a shortage"], "the short-", "age"), "the shortage");
        assert_eq!(joined(nothing, "Vor-", "und Nachteile"), "Vor- und Nachteile");
        assert_eq!(joined(nothing, "E-Mail-", "Adresse"), "E-Mail-Adresse");
        assert_eq!(joined(nothing, "state-of-the-", "art"), "state-of-the-art");
        assert_eq!(
            joined(nothing, "the start-", "to-close time-out"),
            "the start-to-close time-out"
        );
        assert_eq!(joined(nothing, "COVID-", "19"), "COVID-19");
        assert_eq!(
            joined(&["a well\u{ad}known fact"], "a well\u{ad}", "known one"),
            "a well\u{ad}known one"
        );
        assert_eq!(joined(nothing, "client/", "server"), "client/server");
        assert_eq!(joined(nothing, "one -", "two"), "one - two");
        assert_eq!(joined(nothing, "所有", "权"), "所有权");
    }
}
