//! From lines to paragraphs, within a column and over the end of it or of a page.

use super::hyphens::{Words, is_cut};
use super::model::Line;

/// Gaps between lines, as shares of the usual one, and sizes of letters, that begin a paragraph.
const WIDER: f64 = 1.35;
const OTHER_SIZE: f64 = 0.12;

/// A gap between lines of code that is a blank line, and the deepest indent.
const CODE_GAP: f64 = 1.6;
const MAX_INDENT: f64 = 60.0;

/// Heights of the font between lines that are no paragraph, however wide it is set.
const APART: f64 = 2.6;

/// How far a first line is moved in, in heights of the font.
const INDENT: f64 = 0.8;

/// A paragraph, or lines of code that belong together.
#[derive(Debug)]
pub(super) struct Paragraph {
    pub(super) text: String,
    /// Whether its lines are lines of code.
    code: bool,
    /// Its last line, which says whether it may go on.
    last: Line,
    /// Its first line.
    first: Line,
}

/// Joins the lines of a page. With `code` what is set in the typeface of code keeps its lines.
pub(super) fn of_page(lines: &[Line], words: &Words, code: bool) -> Vec<Paragraph> {
    let mut paragraphs: Vec<Paragraph> = Vec::new();
    for block in lines.chunk_by(|a, b| a.block == b.block) {
        let shape = Shape::of(block);
        for (at, line) in block.iter().enumerate() {
            let text = tidy(&line.text);
            if text.is_empty() {
                continue;
            }
            let goes_on = |open: &&mut Paragraph| {
                let alike = |(one, other): (f64, f64)| (one - other).abs() < 0.05 * one;
                at > 0 && open.code && open.last.pitch.zip(line.pitch).is_some_and(alike)
            };
            let is_code = code && line.surely_pitched;
            if let Some(open) = paragraphs.last_mut().filter(goes_on) {
                let indent = (line.left - shape.left) / line.pitch.unwrap_or(line.size);
                let blank = line.base - open.last.base > CODE_GAP * shape.leading;
                open.text.push_str(if blank { "\n\n" } else { "\n" });
                open.text
                    .push_str(&" ".repeat(indent.round().clamp(0.0, MAX_INDENT) as usize));
                open.text.push_str(&text);
                open.last = line.clone();
                continue;
            }
            let joins = match (paragraphs.last(), at) {
                (None, _) => false,
                (Some(open), 0) => open.goes_on(line),
                (Some(open), _) if open.code => false,
                (Some(open), _) => !shape.breaks(&open.last, line),
            };
            if joins
                && !is_code
                && let Some(open) = paragraphs.last_mut()
            {
                append(&mut open.text, &text, words);
                open.last = line.clone();
            } else {
                paragraphs.push(Paragraph {
                    text,
                    code: is_code,
                    first: line.clone(),
                    last: line.clone(),
                });
            }
        }
    }
    paragraphs
}

/// Takes the notes at the foot of a page away, if the paragraph before them may go on over the page.
pub(super) fn split_notes(paragraphs: &mut Vec<Paragraph>) -> Vec<Paragraph> {
    let longest = paragraphs.iter().max_by_key(|paragraph| paragraph.text.len());
    let size = longest.map_or(0.0, |longest| longest.last.size);
    let is_body = |paragraph: &Paragraph| paragraph.last.size > (1.0 - OTHER_SIZE) * size;
    match paragraphs.iter().rposition(is_body) {
        Some(body) if !ended(&paragraphs[body].text) => paragraphs.split_off(body + 1),
        _ => Vec::new(),
    }
}

/// Appends a line to the text of its paragraph.
pub(super) fn append(text: &mut String, line: &str, words: &Words) {
    let join = words.join(text, line);
    if !join.keep {
        text.pop();
    }
    if join.blank {
        text.push(' ');
    }
    text.push_str(line);
}

impl Paragraph {
    /// Whether `next`, at the top of the next column or page, is the rest of this paragraph.
    pub(super) fn goes_on(&self, next: &Line) -> bool {
        if self.code {
            return false;
        }
        let alike = (self.last.size - next.size).abs() <= OTHER_SIZE * next.size;
        let small = next.text.chars().next().is_some_and(char::is_lowercase);
        alike && !is_item(&next.text) && (is_cut(&self.text) || (small && !ended(&self.text)))
    }

    /// Whether `next` goes on with this one.
    pub(super) fn leads_to(&self, next: &Self) -> bool {
        self.goes_on(&next.first)
    }

    /// Takes the rest of it from the next page.
    pub(super) fn take(&mut self, rest: Self, words: &Words) {
        append(&mut self.text, &rest.text, words);
        self.last = rest.last;
    }
}

/// How the lines of a block stand.
struct Shape {
    left: f64,
    right: f64,
    /// The usual distance of two lines.
    leading: f64,
}

impl Shape {
    fn of(block: &[Line]) -> Self {
        let mut distances: Vec<f64> = block
            .windows(2)
            .map(|pair| pair[1].base - pair[0].base)
            .filter(|d| *d > 0.5)
            .collect();
        distances.sort_by(f64::total_cmp);
        Self {
            left: block.iter().map(|line| line.left).fold(f64::MAX, f64::min),
            right: block.iter().map(|line| line.right).fold(f64::MIN, f64::max),
            // Of few distances the small ones are those within paragraphs.
            leading: distances
                .get(distances.len() * 2 / 5)
                .copied()
                .unwrap_or(f64::MAX),
        }
    }

    /// Whether `line` begins a paragraph after `before`.
    fn breaks(&self, before: &Line, line: &Line) -> bool {
        let distance = line.base - before.base;
        let size = before.size.max(line.size);
        let other_size = (before.size - line.size).abs() > OTHER_SIZE * size;
        if is_item(&line.text) || before.cells || line.cells {
            return true;
        }
        if is_cut(&before.text) {
            return distance > APART * size && other_size;
        }
        if distance > APART * size {
            return true;
        }
        let small = line.text.chars().next().is_some_and(char::is_lowercase);
        if distance > WIDER * self.leading && distance > 1.2 * size {
            // A sentence that goes on bridges lines that are set wide apart.
            return other_size || ended(&before.text) || !small;
        }
        // Raised letters and formulas make a line higher; a heading differs as a whole.
        if other_size && (ended(&before.text) || !small) {
            return true;
        }
        let (space, indent) = match line.leftwards {
            false => (
                self.right - before.right,
                line.left - before.left.min(self.left + INDENT * size),
            ),
            true => (
                before.left - self.left,
                before.right.max(self.right - INDENT * size) - line.right,
            ),
        };
        // Whoever breaks lines does so when the next word does not fit.
        let had_room = space > line.first_word + 0.35 * size;
        let moved_in = indent > INDENT * size && ended(&before.text);
        (had_room && (ended(&before.text) || !small)) || moved_in
    }
}

/// Whether `text` ends like a sentence.
fn ended(text: &str) -> bool {
    text.trim_end_matches(['"', '”', '’', '\'', '»', ')', ']'])
        .ends_with(['.', '!', '?', ':', '…', '。', '！', '？', '؟', '۔'])
}

/// Whether `line` begins like a list item.
fn is_item(line: &str) -> bool {
    let Some((mark, rest)) = line.split_once(' ') else {
        return false;
    };
    let number = mark
        .trim_start_matches('(')
        .strip_suffix(['.', ')'])
        .is_some_and(|n| {
            n.len() <= 2
                && !n.is_empty()
                && (n.bytes().all(|b| b.is_ascii_digit()) || (mark.ends_with(')') && n.len() == 1))
        });
    !rest.is_empty() && (number || (mark.chars().count() == 1 && BULLETS.contains(mark)))
}

const BULLETS: &str = "•◦▪●○■□–-*·‣➢✓";

/// `line` with single blanks, and with the dots that lead to a page number in a table of contents as one `…`.
fn tidy(line: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut dots = 0;
    for word in line.split_whitespace() {
        let is_leader = word.bytes().all(|byte| byte == b'.');
        dots = if is_leader { dots + word.len() } else { 0 };
        if is_leader && dots > 3 {
            let leads = |word: &mut &str| word.bytes().all(|byte| byte == b'.') || *word == "…";
            while words.pop_if(leads).is_some() {}
            words.push("…");
        } else {
            words.push(word);
        }
    }
    let text = words.join(" ");
    // What is drawn within a line is no soft hyphen.
    let Some((end, last)) = text.char_indices().next_back() else {
        return text;
    };
    match last {
        '\u{ad}' => text[..end].replace('\u{ad}', "-") + "\u{ad}",
        _ => text.replace('\u{ad}', "-"),
    }
}
