//! Text in WinAnsi, the encoding of the built-in fonts: Western European letters and typographic signs.
//!
//! What it does not have is written in Latin letters (Cyrillic, Greek, Chinese and others by their usual
//! transliteration, Polish or Turkish letters without their strokes), and as `?` where there is no such form. The caller
//! hears of it, because the page has to say so.

use deunicode::deunicode_char;
use unicode_normalization::UnicodeNormalization as _;

/// Signs WinAnsi has at the codes 0x80 to 0x9F, where Latin-1 has none.
const SIGNS: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

/// Text as WinAnsi codes.
#[derive(Debug, PartialEq)]
pub(super) struct Encoded {
    pub(super) codes: Vec<u8>,
    /// Whether it says something else than the text did.
    pub(super) changed: bool,
}

/// Encodes a line; any white space is one space.
pub(super) fn encode(text: &str) -> Encoded {
    let mut encoded = Encoded {
        codes: Vec::with_capacity(text.len()),
        changed: false,
    };
    for letter in text.split_whitespace().collect::<Vec<_>>().join(" ").nfc() {
        if let Some(code) = code_of(letter) {
            encoded.codes.push(code);
            continue;
        }
        encoded.changed = true;
        match deunicode_char(letter) {
            Some(latin) => encoded.codes.extend(latin.bytes()),
            None => encoded.codes.push(b'?'),
        }
    }
    if encoded.changed {
        // Transliterated words bring spaces of their own.
        let words: Vec<&[u8]> = encoded
            .codes
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .collect();
        encoded.codes = words.join(&b' ');
    }
    encoded
}

fn code_of(letter: char) -> Option<u8> {
    match letter {
        ' '..='~' | '\u{a1}'..='\u{ff}' => u8::try_from(u32::from(letter)).ok(),
        _ => (0x80..)
            .zip(SIGNS)
            .find_map(|(code, sign)| (sign == Some(letter)).then_some(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latin(text: &str) -> (String, bool) {
        let encoded = encode(text);
        (
            String::from_utf8(encoded.codes).expect("is ASCII here"),
            encoded.changed,
        )
    }

    #[test]
    fn western_names_stay_as_they_are() {
        assert_eq!(
            encode("Zoë  Šœ – €").codes,
            [b"Zo\xeb \x8a\x9c \x96 \x80".as_slice()].concat()
        );
        // The same letter, spelled as a letter and an accent.
        assert_eq!(encode("Zoe\u{308}"), encode("Zoë"));
        assert!(!encode("Zoë Šœ").changed);
    }

    #[test]
    fn other_scripts_become_latin_and_say_so() {
        assert_eq!(latin("Łukasz Żyła"), ("Lukasz Zyla".to_owned(), true));
        assert_eq!(latin("Анна Ковальчук"), ("Anna Koval'chuk".to_owned(), true));
        assert_eq!(latin("王小明"), ("Wang Xiao Ming".to_owned(), true));
        assert_eq!(latin("\u{10ffff}"), ("?".to_owned(), true));
        assert_eq!(latin("a\u{0}b"), ("ab".to_owned(), true));
    }
}
