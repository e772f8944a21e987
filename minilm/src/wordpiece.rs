//! BERT's uncased WordPiece: normalise, split at blanks and punctuation, then longest match against the
//! vocabulary.
//!
//! It follows the `BertNormalizer` and `BertPreTokenizer` of the reference tokeniser with the model's settings
//! (clean text, spaces around CJK ideographs, accents stripped, lower case). One deliberate difference: the
//! literal text `[SEP]` in a lesson stays text; the reference would read it as the control token.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

use crate::LoadError;

/// A word of more characters than this is one `[UNK]`, as in the reference.
const MAX_WORD_CHARS: usize = 100;

/// The tokeniser: a vocabulary and the identifiers of its control tokens.
pub(crate) struct WordPiece {
    /// Pieces that begin a word.
    initial: HashMap<Box<str>, u32>,
    /// Pieces that continue a word, stored without their `##`.
    continuing: HashMap<Box<str>, u32>,
    unknown: u32,
    begin: u32,
    end: u32,
}

impl WordPiece {
    /// Builds the tokeniser from the content of `vocab.txt`: one piece per line, its identifier the line number
    /// counted from 0.
    ///
    /// # Errors
    /// [`LoadError::Vocabulary`] when `[UNK]`, `[CLS]` or `[SEP]` is absent.
    pub(crate) fn new(vocabulary: &str) -> Result<Self, LoadError> {
        let mut initial = HashMap::new();
        let mut continuing = HashMap::new();
        for (line, id) in vocabulary.lines().zip(0_u32..) {
            match line.strip_prefix("##") {
                Some(piece) if !piece.is_empty() => continuing.insert(piece.into(), id),
                _ => initial.insert(line.into(), id),
            };
        }
        let control = |name: &'static str| initial.get(name).copied().ok_or(LoadError::Vocabulary(name));
        let (unknown, begin, end) = (control("[UNK]")?, control("[CLS]")?, control("[SEP]")?);
        Ok(Self {
            initial,
            continuing,
            unknown,
            begin,
            end,
        })
    }

    /// Whether a word, in lower case, is one piece.
    pub(crate) fn has(&self, word: &str) -> bool {
        self.initial.contains_key(word)
    }

    /// Token identifiers of `text` between `[CLS]` and `[SEP]`, at most `limit` of them in all (`limit` ≥ 2).
    pub(crate) fn encode(&self, text: &str, limit: usize) -> Vec<u32> {
        let room = limit.saturating_sub(1);
        let mut ids = vec![self.begin];
        let mut word = String::new();
        for c in normalised(text) {
            if ids.len() >= room {
                break;
            }
            if c.is_whitespace() {
                self.push_word(&mut word, &mut ids);
            } else if is_punctuation(c) {
                self.push_word(&mut word, &mut ids);
                word.push(c);
                self.push_word(&mut word, &mut ids);
            } else {
                word.push(c);
            }
        }
        self.push_word(&mut word, &mut ids);
        ids.truncate(room);
        ids.push(self.end);
        ids
    }

    /// Appends the pieces of `word` to `ids` and clears it. A word that cannot be spelled is one `[UNK]`.
    fn push_word(&self, word: &mut String, ids: &mut Vec<u32>) {
        if word.is_empty() {
            return;
        }
        let first = ids.len();
        let mut rest = word.as_str();
        // The limit also bounds the quadratic search below.
        let mut spelled = rest.chars().count() <= MAX_WORD_CHARS;
        while spelled && !rest.is_empty() {
            let pieces = if ids.len() == first {
                &self.initial
            } else {
                &self.continuing
            };
            match longest_match(pieces, rest) {
                Some((id, length)) => {
                    ids.push(id);
                    rest = &rest[length..];
                }
                None => spelled = false,
            }
        }
        if !spelled {
            ids.truncate(first);
            ids.push(self.unknown);
        }
        word.clear();
    }
}

/// The longest prefix of `rest` among `pieces`: its identifier and length in bytes.
fn longest_match(pieces: &HashMap<Box<str>, u32>, rest: &str) -> Option<(u32, usize)> {
    let mut end = rest.len();
    while end > 0 {
        if let Some(id) = pieces.get(&rest[..end]) {
            return Some((*id, end));
        }
        end = rest[..end].char_indices().next_back()?.0;
    }
    None
}

/// `text` as the model was trained to read it: control characters dropped, blanks made spaces, ideographs
/// set apart, accents (category Mn only, else Hindi and Japanese differ) stripped, lower case.
fn normalised(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .filter(|&c| c != '\u{fffd}' && !is_control(c))
        .flat_map(|c| {
            let c = if c.is_whitespace() { ' ' } else { c };
            let apart = is_ideograph(c);
            [apart.then_some(' '), Some(c), apart.then_some(' ')]
                .into_iter()
                .flatten()
        })
        .nfd()
        .filter(|c| c.general_category() != GeneralCategory::NonspacingMark)
        .flat_map(char::to_lowercase)
}

/// Whether the reference drops `c`: control, format and private-use characters, but not tab and line breaks.
fn is_control(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r')
        && matches!(
            c.general_category(),
            GeneralCategory::Control | GeneralCategory::Format | GeneralCategory::PrivateUse
        )
}

/// Whether `c` is a token of its own: all of ASCII's punctuation and symbols, and every category P*.
fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.general_category_group() == GeneralCategoryGroup::Punctuation
}

/// The CJK ideograph blocks of the reference; kana and hangul are written with spaces or as words.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCABULARY: &str =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\nfile\n,\n.\ncafe\n東\n京\n##s\n!\nhello\n[\n]\nsep";

    fn encode(text: &str, limit: usize) -> Vec<u32> {
        WordPiece::new(VOCABULARY).unwrap().encode(text, limit)
    }

    #[test]
    fn longest_pieces_come_first() {
        assert_eq!(
            encode("Unaffable files, hello!", 256),
            [2, 4, 5, 6, 7, 13, 8, 15, 14, 3]
        );
    }

    #[test]
    fn accents_case_and_compatibility_forms() {
        assert_eq!(encode("CAFÉ café cafe\u{301}", 256), [2, 10, 10, 10, 3]);
    }

    #[test]
    fn ideographs_stand_alone() {
        assert_eq!(encode("東京", 256), [2, 11, 12, 3]);
    }

    #[test]
    fn a_word_outside_the_vocabulary_is_one_unknown() {
        assert_eq!(encode("unxyz hello 🙂", 256), [2, 1, 15, 1, 3]);
        assert_eq!(encode(&"un".repeat(60), 256), [2, 1, 3]);
    }

    #[test]
    fn control_characters_vanish_and_blanks_separate() {
        assert_eq!(
            encode("hel\u{200b}lo\u{0}\u{a0}un\tfile\r\n", 256),
            [2, 15, 4, 7, 3]
        );
    }

    #[test]
    fn control_tokens_in_text_are_text() {
        assert_eq!(encode("[SEP]", 256), [2, 16, 18, 17, 3]);
    }

    #[test]
    fn truncation_keeps_both_ends() {
        assert_eq!(encode("hello hello unaffable", 5), [2, 15, 15, 4, 3]);
        assert_eq!(encode("", 256), [2, 3]);
    }

    #[test]
    fn a_vocabulary_without_control_tokens_is_refused() {
        assert!(matches!(
            WordPiece::new("a\nb"),
            Err(LoadError::Vocabulary("[UNK]"))
        ));
    }
}
