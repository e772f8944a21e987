//! Characters of a text that nobody sees.

/// Whether nobody sees this character, or it turns the direction of those after it, so that a name that has it passes for
/// another. What lets letters join or not (U+200C, U+200D), as Persian and emoji need it, is none; nor are the marks of direction
/// (U+200E, U+200F) of names in two scripts, and soft hyphens.
pub fn deceives(c: char) -> bool {
    matches!(c, '\u{180e}' | '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Whether something of a text is seen: characters that are blank or only change others (Unicode's `Default_Ignorable_Code_Point`,
/// and the empty Braille cell) are not.
pub fn is_seen(text: &str) -> bool {
    let is_blank = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || deceives(c)
            || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{200c}'..='\u{200f}' | '\u{2800}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
    };
    !text.chars().all(is_blank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_and_what_deceives() {
        for unseen in [
            "",
            " ",
            "\u{200b}\u{200b}",
            "\u{3164}",
            "\u{feff}",
            "\u{200d}\u{fe0f}",
            "\u{2800}",
        ] {
            assert!(!is_seen(unseen), "{unseen:?}");
        }
        for name in [
            "Ø",
            "علی\u{200c}رضا",
            "Kim 👩🏽\u{200d}🔬",
            "محمد\u{200f} (A)",
            "co\u{ad}operate",
        ] {
            assert!(is_seen(name) && !name.contains(deceives), "{name}");
        }
        for name in [
            "Alice\u{202e}moc",
            "Alice\u{2066}",
            "Ann\u{2028}Other",
            "be\u{200b}rt",
            "\u{feff}carl",
        ] {
            assert!(name.contains(deceives), "{name:?}");
        }
    }
}
