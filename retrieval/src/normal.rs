//! One way to write what people write in several.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// `text` in the form in which texts are compared: compatibility characters as the ordinary ones (ligatures, full and
/// half width; NFKC), one kind of hyphen and of apostrophe, without characters nobody sees, without the marks that Arabic
/// and Hebrew readers do without, and in small letters. Diacritics stay: stemmers know them.
pub fn normal(text: &str) -> String {
    // What is typed for another sign first: some of it NFKC takes apart.
    let visible = text
        .chars()
        .map(plain)
        .nfkc()
        .map(plain)
        .filter(|c| !is_unseen(*c));
    // Upper case first: it unfolds ß and the final sigma, which lower case alone would leave.
    let folded = visible.collect::<String>().to_uppercase().to_lowercase();
    // The small form of `İ` keeps its dot beside the letter, which has one already.
    folded.replace("i\u{307}", "i").nfc().collect()
}

/// `word` without the diacritics of the Latin, Greek and Cyrillic scripts, which people leave out: `Größe` is found by
/// `grosse`. Marks of other scripts make other letters, and stay.
pub(crate) fn without_diacritics(word: &str) -> String {
    if word.is_ascii() {
        return word.to_owned();
    }
    let kept = |c: &char| !('\u{300}'..='\u{36f}').contains(c) || !is_combining_mark(*c);
    let bare = word.nfd().filter(kept).map(|c| match c {
        'ł' => 'l',
        'ø' => 'o',
        'đ' => 'd',
        'ı' => 'i',
        c => c,
    });
    bare.nfc().collect()
}

/// Whether `c` leaves no trace on the page: marks of direction, joiners, the soft hyphen, and the vowel signs and
/// cantillation of Arabic and Hebrew, which texts have or leave out as they like.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{feff}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'
        | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}')
}

/// The usual one of characters that are typed for each other.
fn plain(c: char) -> char {
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{fe63}' => '-',
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2bc}' | '\u{ff07}' | '\u{2032}' | '`' | '´' => '\'',
        // Alef, yeh and teh marbuta as most people type them.
        '\u{622}' | '\u{623}' | '\u{625}' | '\u{671}' => '\u{627}',
        '\u{649}' | '\u{6cc}' => '\u{64a}',
        '\u{629}' => '\u{647}',
        '\u{6a9}' => '\u{643}',
        c => digit(c).unwrap_or(c),
    }
}

/// The first of the ten digits of scripts that have their own (Unicode, general category Nd).
const ZEROS: [u32; 24] = [
    0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50, 0xed0,
    0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1b50, 0x1c40,
];

/// The digit that `c` is in another script.
fn digit(c: char) -> Option<char> {
    let after = |zero: &u32| u32::from(c).checked_sub(*zero).filter(|digit| *digit < 10);
    let value = ZEROS.iter().find_map(after)?;
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_of_writing_are_one() {
        assert_eq!(normal("Schlu\u{308}ssel"), normal("SCHLÜSSEL"));
        assert_eq!(normal("ＡＢＣ１２３"), "abc123");
        assert_eq!(normal("e\u{fb03}cient"), "efficient");
        assert_eq!(normal("Straße"), normal("STRASSE"));
        assert_eq!(normal("ΟΔΟΣ"), normal("οδος"));
        assert_eq!(
            (normal("don’t"), normal("don´t")),
            ("don't".into(), "don't".into())
        );
        assert_eq!(normal("co\u{ad}ope\u{200b}rate"), "cooperate");
        assert_eq!(normal("الكِتَابُ"), normal("الكتاب"));
        assert_eq!(normal("שָׁלוֹם"), normal("שלום"));
        assert_eq!(normal("ｶﾞ"), "ガ");
        assert_eq!(normal("١٢٠ ۹ १"), "120 9 1");
        assert_eq!(normal("İstanbul"), normal("istanbul"));
    }

    #[test]
    fn diacritics_go_where_people_leave_them_out() {
        assert_eq!(without_diacritics("größe"), "große");
        assert_eq!(without_diacritics("łódź"), "lodz");
        assert_eq!(without_diacritics("ё"), "е");
        assert_eq!(without_diacritics("が"), "が");
        assert_eq!(without_diacritics("हिन्दी"), "हिन्दी");
    }
}
