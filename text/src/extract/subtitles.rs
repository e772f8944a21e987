//! WebVTT and SubRip: cues to running text, with the time of each.

use html_escape::decode_html_entities;

use crate::{Anchor, Document};

/// Extracts the cues of `source`, which may be either format: SubRip is what is left of WebVTT without its
/// header, blocks and settings. Cues are joined into running text, with a line break where a sentence ends;
/// every cue begins an anchor.
pub(super) fn extract(source: &str) -> Document {
    let mut document = Document::default();
    // Blocks are separated by blank lines in both formats.
    let mut lines = source.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        // Comments, styles and regions hold no cue and may contain `-->` in comments only by mistake.
        if ["NOTE", "STYLE", "REGION"].contains(&line.split_whitespace().next().unwrap_or_default())
            && !line.contains("-->")
        {
            while lines.next_if(|line| !line.is_empty()).is_some() {}
            continue;
        }
        let Some((start, end)) = timing(line) else {
            continue;
        };
        let mut payload = String::new();
        while let Some(line) = lines.next_if(|line| !line.is_empty() && timing(line).is_none()) {
            payload.push_str(line);
            payload.push(' ');
        }
        push_cue(&mut document, start, end, &readable(&payload));
    }
    document
}

/// Appends a cue, unless it is empty or only prolongs the one before, as rolling captions do.
fn push_cue(document: &mut Document, start: f64, end: f64, text: &str) {
    let last = document.anchors.last();
    if text.is_empty() || last.is_some_and(|last| &document.text[last.start..] == text) {
        return;
    }
    if !document.text.is_empty() {
        let marks = ['.', '!', '?', '…', '。', '！', '？', '"', '”'];
        let ended = document.text.ends_with(marks);
        document.text.push(if ended { '\n' } else { ' ' });
    }
    document.anchors.push(Anchor {
        start: document.text.len(),
        start_seconds: Some(start),
        end_seconds: Some(end),
        ..Anchor::default()
    });
    document.text.push_str(text);
}

/// Start and end in seconds of a line such as `00:01:02.500 --> 00:01:04,000 align:start`.
fn timing(line: &str) -> Option<(f64, f64)> {
    let (start, rest) = line.split_once("-->")?;
    let end = rest.split_whitespace().next()?;
    Some((seconds(start.trim())?, seconds(end)?))
}

/// `[hours:]minutes:seconds[.fraction]` in seconds; the fraction may follow a comma.
fn seconds(stamp: &str) -> Option<f64> {
    let stamp = stamp.replace(',', ".");
    let parts = stamp.split(':');
    let numeric = stamp.bytes().all(|b| matches!(b, b'0'..=b'9' | b':' | b'.'));
    if !numeric || !(2..=3).contains(&parts.clone().count()) {
        return None;
    }
    parts
        .map(str::parse::<f64>)
        .try_fold(0.0, |total, part| Some(total * 60.0 + part.ok()?))
}

/// A cue's text without markup: tags such as `<v Speaker>`, SubRip's `{\an8}`, and character references.
fn readable(payload: &str) -> String {
    let mut text = String::new();
    let mut rest = payload;
    while let Some(at) = rest.find(['<', '{']) {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        let is_markup =
            tail.starts_with("{\\") || tail[1..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
        let close = if tail.starts_with('<') { '>' } else { '}' };
        match tail.find(close) {
            Some(end) if is_markup => rest = &tail[end + 1..],
            // A lone `<` or `{` is text.
            _ => {
                text.push_str(&tail[..1]);
                rest = &tail[1..];
            }
        }
    }
    text.push_str(rest);
    // The marks of a direction of writing are no part of what is said.
    let text = decode_html_entities(&text).replace(['\u{200e}', '\u{200f}'], "");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues(source: &str) -> Vec<(f64, f64, String)> {
        let document = extract(source);
        let ends = document
            .anchors
            .iter()
            .skip(1)
            .map(|a| a.start)
            .chain([document.text.len()]);
        document
            .anchors
            .iter()
            .zip(ends)
            .map(|(a, end)| {
                let text = document.text[a.start..end].trim_end().to_owned();
                (a.start_seconds.unwrap(), a.end_seconds.unwrap(), text)
            })
            .collect()
    }

    #[test]
    fn webvtt() {
        let source = "WEBVTT - A title\nKind: captions\n\nNOTE\na comment\nof two lines\n\nSTYLE\n::cue { color: red }\n\n\
intro\n00:01.000 --> 00:02.500 align:start position:0%\n<v Ann>Hello &amp; <i>welcome</i>\nto Rust</v>\n\n\
01:00:03.000 --> 01:00:04.000\nif a < b { c }.\n\n01:00:04.000 --> 01:00:05.000\nNext.\n";
        let expected = [
            (1.0, 2.5, "Hello & welcome to Rust".to_owned()),
            (3603.0, 3604.0, "if a < b { c }.".to_owned()),
            (3604.0, 3605.0, "Next.".to_owned()),
        ];
        assert_eq!(cues(source), expected);
        assert_eq!(
            extract(source).text,
            "Hello & welcome to Rust if a < b { c }.\nNext."
        );
    }

    #[test]
    fn subrip() {
        let source = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}Top line\n\n2\n00:00:02,000 --> 00:00:03,250\n<font color=\"red\">42</font>\n\
\n3\n00:00:03,250 --> 00:00:04,000\n42\n\n4\n00:00:05,000 --> 00:00:06,000\n\n";
        let expected = [(1.0, 2.0, "Top line".to_owned()), (2.0, 3.25, "42".to_owned())];
        assert_eq!(cues(source), expected);
    }

    #[test]
    fn bad_times_are_no_cues() {
        assert!(cues("WEBVTT\n\nx --> y\nno\n\n00:00 -->\nno\n").is_empty());
        assert_eq!(seconds("1:02:03,5"), Some(3723.5));
        assert_eq!(seconds("nan:inf"), None);
        assert_eq!(seconds("12"), None);
    }
}
