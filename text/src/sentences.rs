//! Sentence boundaries.

use std::ops::Range;

/// What ends a sentence: of Latin, Chinese and Japanese, Arabic and Urdu, Indic, Khmer, Ethiopic and Armenian scripts.
const ENDS: &str = ".!?…。！？؟۔।॥។።։";
/// Words whose final point does not end a sentence, in small letters and without that point: of English, German, French
/// and Spanish.
const ABBREVIATIONS: [&str; 56] = [
    "abs", "al", "approx", "bzw", "ca", "capt", "cf", "col", "dr", "e.g", "ed", "esp", "etc", "evtl", "ex",
    "gen", "ggf", "gov", "hr", "i.e", "inc", "incl", "jr", "lt", "max", "min", "mme", "mr", "mrs", "ms",
    "mt", "op", "p.ej", "prof", "rep", "rev", "sen", "sgt", "sog", "sr", "sra", "st", "u.a", "u.s", "ud",
    "usf", "usw", "v", "vgl", "viz", "vs", "z.b", "d.h", "u.k", "d.c", "bsp",
];
/// The same for words before a number.
const BEFORE_NUMBERS: [&str; 17] = [
    "art", "bd", "ch", "chap", "eq", "fig", "kap", "no", "nr", "núm", "p", "pág", "pp", "s", "sec", "vol",
    "vols",
];
/// What an ordinal number of German stands before.
const AFTER_ORDINALS: [&str; 14] = [
    "Januar",
    "Februar",
    "März",
    "April",
    "Mai",
    "Juni",
    "Juli",
    "August",
    "September",
    "Oktober",
    "November",
    "Dezember",
    "Jahrhundert",
    "Jh",
];

/// Byte ranges of the sentences of `text`, in order. Together they hold everything but blanks, and none is empty.
///
/// A line break ends a sentence: extraction joins the lines of a paragraph, so the breaks that are left stand
/// between paragraphs, list items, table rows and lines of code.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        split_line(text, at..at + line.len(), &mut ranges);
        at += line.len();
    }
    ranges
}

fn split_line(text: &str, line: Range<usize>, ranges: &mut Vec<Range<usize>>) {
    let mut start = line.start;
    let mut characters = text[line.clone()]
        .char_indices()
        .map(|(at, c)| (line.start + at, c))
        .peekable();
    while let Some((at, c)) = characters.next() {
        if !ENDS.contains(c) {
            continue;
        }
        let mut end = at + c.len_utf8();
        // Further marks and closing quotes belong to the sentence they end.
        while let Some((at, c)) = characters.next_if(|(_, c)| closes(*c)) {
            end = at + c.len_utf8();
        }
        let rest = &text[end..line.end];
        let ideographic = matches!(c, '。' | '！' | '？');
        if ideographic
            || (ends_here(rest) && !(c == '.' && is_abbreviation(&text[start..at], rest.trim_start())))
        {
            push_trimmed(text, start..end, ranges);
            start = end;
        }
    }
    push_trimmed(text, start..line.end, ranges);
}

fn closes(c: char) -> bool {
    ENDS.contains(c) || "\"')]”’»」』）".contains(c)
}

/// Whether what follows a final mark can begin a sentence: a blank, then anything but a small letter.
fn ends_here(rest: &str) -> bool {
    rest.starts_with(char::is_whitespace) && !rest.trim_start().starts_with(char::is_lowercase)
}

/// Whether `before`, the text up to a point, ends in an abbreviation, an initial or an ordinal number; `after` follows.
fn is_abbreviation(before: &str, after: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(['(', '[', '"', '“', '„', '\'']);
    let mut letters = word.chars();
    let alone = letters.next().filter(|_| letters.next().is_none());
    let small = word.to_lowercase();
    let numbered =
        || after.starts_with(|c: char| c.is_ascii_digit()) && BEFORE_NUMBERS.contains(&small.as_str());
    let ordinal = || {
        word.len() <= 2
            && word.bytes().all(|byte| byte.is_ascii_digit())
            && AFTER_ORDINALS.iter().any(|name| after.starts_with(name))
    };
    alone.is_some_and(|letter| letter.is_alphabetic() && letter != 'I')
        || ABBREVIATIONS.contains(&small.as_str())
        || numbered()
        || ordinal()
}

/// Appends `range` without the blanks at its ends, unless nothing is left.
fn push_trimmed(text: &str, range: Range<usize>, ranges: &mut Vec<Range<usize>>) {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    let end = range.start + slice.trim_end().len();
    if start < end {
        ranges.push(start..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn marks_quotes_and_lines() {
        assert_eq!(
            split("One. Two! “Three?” (Four.)\n\n- item\n  code();\n"),
            ["One.", "Two!", "“Three?”", "(Four.)", "- item", "code();"]
        );
    }

    #[test]
    fn points_inside_sentences() {
        assert_eq!(
            split("See e.g. Fig. 3 of Dr. Smith, J. Doe et al. 2021."),
            ["See e.g. Fig. 3 of Dr. Smith, J. Doe et al. 2021."]
        );
        assert_eq!(
            split("Version 1.95 of std.rs is here. it says so"),
            ["Version 1.95 of std.rs is here. it says so"]
        );
    }

    #[test]
    fn points_of_other_languages() {
        assert_eq!(
            split("In Worcester v. Georgia the court ruled. It was no. Then"),
            ["In Worcester v. Georgia the court ruled.", "It was no.", "Then"]
        );
        assert_eq!(
            split("Das gilt z. B. Am 3. Oktober, vgl. Nr. 5 usw. Ende."),
            ["Das gilt z. B. Am 3. Oktober, vgl. Nr. 5 usw. Ende."]
        );
    }

    #[test]
    fn other_scripts_have_marks_of_their_own() {
        assert_eq!(split("रानी अंडे देती है। शहद निकाला जाता है।").len(), 2);
        assert_eq!(split("أين الكتاب؟ هنا. یہ کتاب ہے۔ وہ قلم ہے۔").len(), 4);
    }

    #[test]
    fn ideographic_marks_need_no_blank() {
        assert_eq!(
            split("所有権です。「はい！」次。"),
            ["所有権です。", "「はい！」", "次。"]
        );
    }

    #[test]
    fn nothing_gives_nothing() {
        assert!(split(" \n\t\n").is_empty());
    }
}
