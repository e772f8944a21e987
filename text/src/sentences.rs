//! Sentence boundaries.

use std::ops::Range;

/// Words whose final point does not end a sentence, in lower case and without that point.
const ABBREVIATIONS: [&str; 22] = [
    "al", "approx", "cf", "ch", "dr", "e.g", "eq", "etc", "fig", "i.e", "mr", "mrs", "ms", "no", "p", "pp",
    "prof", "sec", "st", "u.s", "viz", "vs",
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
        if !matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？') {
            continue;
        }
        let mut end = at + c.len_utf8();
        // Further marks and closing quotes belong to the sentence they end.
        while let Some((at, c)) = characters.next_if(|(_, c)| closes(*c)) {
            end = at + c.len_utf8();
        }
        let rest = &text[end..line.end];
        let ideographic = matches!(c, '。' | '！' | '？');
        if ideographic || (ends_here(rest) && !(c == '.' && is_abbreviation(&text[start..at]))) {
            push_trimmed(text, start..end, ranges);
            start = end;
        }
    }
    push_trimmed(text, start..line.end, ranges);
}

fn closes(c: char) -> bool {
    ".!?…。！？\"')]”’»」』）".contains(c)
}

/// Whether what follows a final mark can begin a sentence: a blank, then anything but a small letter.
fn ends_here(rest: &str) -> bool {
    rest.starts_with(char::is_whitespace) && !rest.trim_start().starts_with(char::is_lowercase)
}

/// Whether `before`, the text up to a point, ends in an abbreviation or an initial.
fn is_abbreviation(before: &str) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(['(', '[', '"', '“', '\'']);
    let mut letters = word.chars();
    let initial = letters.next().is_some_and(char::is_uppercase) && letters.next().is_none();
    initial || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
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
