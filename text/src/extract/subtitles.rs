//! WebVTT and SubRip: cues to running text, with the time of each.

mod cues;
mod markup;

use crate::{Anchor, Document};
use cues::Cue;

/// Seconds that may lie between a cue and one that goes on with its words, as captions that roll up do.
const ROLLING_GAP: f64 = 0.25;

/// Words at the end of a cue that are its words again at the beginning of the next, when neither line ends there.
const ROLLING_WORDS: usize = 3;

/// Extracts the cues of `source`, which may be either format. Cues are joined into running text, with a line break
/// where a sentence ends; every cue that says something new begins an anchor.
pub(super) fn extract(source: &str) -> Document {
    let mut document = Document::default();
    let mut before: Option<Shown> = None;
    for cue in cues::read(source) {
        let lines = cue.lines.iter().map(|line| markup::readable(line));
        let shown = Shown::new(&cue, lines.filter(|line| !line.is_empty()).collect());
        let known = before.as_ref().map_or(0, |before| shown.continues(before));
        push(&mut document, &cue, &shown.text, known);
        if !shown.text.is_empty() {
            before = Some(shown);
        }
    }
    document
}

/// Appends what `text` says after its first `known` bytes, which the cue before has said.
fn push(document: &mut Document, cue: &Cue<'_>, text: &str, known: usize) {
    let new = &text[known..];
    let said = new.trim_start();
    if said.is_empty() {
        // The cue only keeps the one before on the screen.
        if let Some(last) = document.anchors.last_mut().filter(|_| known > 0) {
            last.end_seconds = last.end_seconds.map(|end| end.max(cue.end));
        }
        return;
    }
    let glued = known > 0 && !new.starts_with(' ');
    if !document.text.is_empty() && !glued {
        let marks = ['.', '!', '?', '…', '。', '！', '？', '"', '”'];
        let ended = document.text.ends_with(marks);
        document.text.push(if ended { '\n' } else { ' ' });
    }
    document.anchors.push(Anchor {
        start: document.text.len(),
        start_seconds: Some(cue.start),
        end_seconds: Some(cue.end),
        ..Anchor::default()
    });
    document.text.push_str(said);
}

/// What a cue shows.
struct Shown {
    start: f64,
    end: f64,
    /// Its lines, joined by blanks.
    text: String,
    /// Where each line begins in `text`, and where the last one ends.
    lines: Vec<usize>,
}

impl Shown {
    fn new(cue: &Cue<'_>, lines: Vec<String>) -> Self {
        let text = lines.join(" ");
        let mut starts = vec![0];
        for line in &lines {
            let last = starts.last().copied().unwrap_or_default();
            starts.push(last + line.len() + 1);
        }
        Self {
            start: cue.start,
            end: cue.end,
            text,
            lines: starts,
        }
    }

    /// Bytes of this text that `before` ends in: captions that roll up show a line again above the next one, and
    /// captions that grow show all of it with a word more.
    fn continues(&self, before: &Self) -> usize {
        if self.start > before.end + ROLLING_GAP || self.text.is_empty() {
            return 0;
        }
        let words = before.text.match_indices(' ').map(|(at, _)| at + 1);
        let starts = std::iter::once(0).chain(words);
        let shared = starts.filter(|start| {
            let tail = &before.text[*start..];
            let whole_line = before.lines.contains(start) && self.lines.contains(&(tail.len() + 1));
            let ends_a_word =
                [None, Some(' ')].contains(&self.text.get(tail.len()..).and_then(|rest| rest.chars().next()));
            let many_words = ends_a_word && tail.split(' ').count() >= ROLLING_WORDS;
            self.text.starts_with(tail) && (*start == 0 || whole_line || many_words)
        });
        shared.map(|start| before.text.len() - start).next().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cues(source: &str) -> Vec<(f64, f64, String)> {
        let document = extract(source);
        let ends = document.anchors.iter().skip(1).map(|a| a.start);
        let ends = ends.chain([document.text.len()]);
        let cues = document.anchors.iter().zip(ends).map(|(a, end)| {
            let text = document.text[a.start..end].trim_end().to_owned();
            (a.start_seconds.unwrap(), a.end_seconds.unwrap(), text)
        });
        cues.collect()
    }

    fn of(cues: &[(f64, f64, &str)]) -> Vec<(f64, f64, String)> {
        cues.iter()
            .map(|(start, end, text)| (*start, *end, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn webvtt() {
        let source = "WEBVTT - A title\nKind: captions\n\nNOTE\na comment\nof two lines\n\nSTYLE\n::cue { color: red }\n\n\
intro\n00:01.000 --> 00:02.500 align:start position:0%\n<v Ann>Hello &amp; <i>welcome</i>\nto Rust</v>\n\n\
NOTE no cue\n\n01:00:03.000 --> 01:00:04.000\nif a < b { c }.\n\n01:00:04.000 --> 01:00:05.000\nNext.\n\nnot shown\n";
        let expected = [
            (1.0, 2.5, "Hello & welcome to Rust"),
            (3603.0, 3604.0, "if a < b { c }."),
            (3604.0, 3605.0, "Next."),
        ];
        assert_eq!(cues(source), of(&expected));
        assert_eq!(
            extract(source).text,
            "Hello & welcome to Rust if a < b { c }.\nNext."
        );
    }

    #[test]
    fn subrip() {
        let source = "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}Top line\n\n2\n00:00:02,000 --> 00:00:03,250\n<font color=\"red\">42</font>\n\
\n3\n00:00:03,250 --> 00:00:04,000\n42\n\n4\n00:00:05,000 --> 00:00:06,000\n\n";
        assert_eq!(cues(source), of(&[(1.0, 2.0, "Top line"), (2.0, 4.0, "42")]));
    }

    #[test]
    fn captions_that_roll_up_are_said_once() {
        let rolling = "WEBVTT\n\n00:30.000 --> 00:32.990\n \nThe<00:30.3><c> ring</c><00:30.6><c> buffer</c>\n\n\
00:32.990 --> 00:33.000\nThe ring buffer\n \n\n00:33.000 --> 00:35.990\nThe ring buffer\nholds<00:33.300><c> frames.</c>\n\n\
00:36.000 --> 00:38.000\nholds frames.\nIt is full.\n";
        let expected = [
            (30.0, 33.0, "The ring buffer"),
            (33.0, 35.99, "holds frames."),
            (36.0, 38.0, "It is full."),
        ];
        assert_eq!(cues(rolling), of(&expected));
        let three_lines =
            "1\n00:00:01,000 --> 00:00:02,000\na\nb\nc\n\n2\n00:00:02,000 --> 00:00:03,000\nb\nc\nd\n";
        assert_eq!(extract(three_lines).text, "a b c d");
        let growing = "1\n00:00:01,000 --> 00:00:02,000\nWe be\n\n2\n00:00:02,000 --> 00:00:03,000\nWe begin\n\n\
3\n00:00:03,000 --> 00:00:04,000\nWe begin with two\n\n4\n00:00:04,000 --> 00:00:05,000\nbegin with two words\n";
        assert_eq!(extract(growing).text, "We begin with two words");
    }

    #[test]
    fn what_is_said_twice_stays() {
        let later = "1\n00:00:01,000 --> 00:00:02,000\nStop.\n\n2\n00:00:09,000 --> 00:00:10,000\nStop.\n";
        assert_eq!(extract(later).text, "Stop.\nStop.");
        let by_chance = "1\n00:00:01,000 --> 00:00:02,000\nThis is it\n\n2\n00:00:02,000 --> 00:00:03,000\nit never ends\n";
        assert_eq!(extract(by_chance).text, "This is it it never ends");
    }
}
