//! Text as it grows: blanks collapsed, blocks apart, headings as anchors.

use super::super::is_readable;
use crate::{Anchor, Document, document::Path};

/// Levels of a list that are indented further. Without an end, lists within lists would make a text of the square of
/// their number.
pub(super) const MAX_INDENT: usize = 32;

/// What keeps two pieces of text apart, from nothing to a blank line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    #[default]
    None,
    Space,
    Line,
    Block,
}

/// A list that is open.
struct List {
    /// The next number, of an ordered one.
    number: Option<i64>,
    /// Whether it has an item yet.
    begun: bool,
}

/// The document so far.
#[derive(Default)]
pub(super) struct Writer {
    document: Document,
    path: Path<u8>,
    /// What is due before the next piece of text.
    gap: Gap,
    /// Level of the heading that is open, and where its text begins.
    heading: Option<(u8, usize)>,
    /// Preformatted elements that are open.
    pre: usize,
    lists: Vec<List>,
    /// Where the text of an item begins, which stands beside its bullet.
    bullet: Option<usize>,
    /// Whether a superscript begins.
    raised: bool,
}

impl Writer {
    /// The document, when everything is written.
    pub(super) fn finish(mut self) -> Document {
        let text = &mut self.document.text;
        text.truncate(text.trim_end().len());
        self.document
    }

    /// Keeps what comes at least this far from what is there.
    pub(super) fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    pub(super) fn text(&mut self, text: &str) {
        // Character references can bring what the source may not hold itself.
        let text: String = text.chars().filter(|c| is_readable(*c)).collect();
        if self.pre > 0 {
            if !text.is_empty() {
                self.flush();
                self.document.text.push_str(&text);
            }
            return;
        }
        for (at, word) in text.split(|c: char| c.is_ascii_whitespace()).enumerate() {
            if at > 0 {
                self.gap(Gap::Space);
            }
            if !word.is_empty() {
                self.flush();
                self.document.text.push_str(word);
            }
        }
    }

    pub(super) fn line_break(&mut self) {
        if self.pre > 0 {
            self.text("\n");
        } else {
            self.gap(Gap::Line);
        }
    }

    /// A power is no further digit of its base.
    pub(super) fn superscript(&mut self) {
        self.raised = self.gap == Gap::None && self.document.text.ends_with(|c: char| c.is_ascii_digit());
    }

    pub(super) fn open_pre(&mut self) {
        self.gap(Gap::Block);
        self.pre += 1;
    }

    pub(super) fn close_pre(&mut self) {
        self.pre = self.pre.saturating_sub(1);
        self.gap(Gap::Block);
    }

    pub(super) fn open_heading(&mut self, level: u8) {
        self.gap(Gap::Block);
        self.flush();
        self.heading = Some((level, self.document.text.len()));
    }

    /// Makes an anchor of the heading that was just written.
    pub(super) fn close_heading(&mut self) {
        self.gap(Gap::Block);
        let Some((level, start)) = self.heading.take() else {
            return;
        };
        let Some(title) = self
            .document
            .text
            .get(start..)
            .map(str::trim)
            .filter(|title| !title.is_empty())
        else {
            return;
        };
        self.document.anchors.push(Anchor {
            start,
            heading_path: self.path.open(level, title),
            ..Anchor::default()
        });
    }

    pub(super) fn open_list(&mut self, number: Option<i64>) {
        self.gap(if self.lists.is_empty() {
            Gap::Block
        } else {
            Gap::Line
        });
        self.lists.push(List { number, begun: false });
    }

    pub(super) fn close_list(&mut self) {
        self.lists.pop();
        self.gap(if self.lists.is_empty() {
            Gap::Block
        } else {
            Gap::Line
        });
    }

    /// Begins a list item with its bullet or number.
    pub(super) fn item(&mut self) {
        let indent = "  ".repeat(self.lists.len().clamp(1, MAX_INDENT) - 1);
        let mut bullet = "- ".to_owned();
        // Items that are paragraphs need no blank line between them.
        self.gap = Gap::Line;
        let outermost = self.lists.len() < 2;
        if let Some(list) = self.lists.last_mut() {
            if outermost && !list.begun {
                self.gap = Gap::Block;
            }
            list.begun = true;
            if let Some(number) = &mut list.number {
                bullet = format!("{number}. ");
                *number = number.saturating_add(1);
            }
        }
        self.flush();
        self.document.text.push_str(&indent);
        self.document.text.push_str(&bullet);
        self.bullet = Some(self.document.text.len());
    }

    /// Writes the gap that is due.
    fn flush(&mut self) {
        let text = &mut self.document.text;
        let gap = std::mem::take(&mut self.gap);
        let beside_bullet = self.bullet.take() == Some(text.len());
        if std::mem::take(&mut self.raised) && gap == Gap::None {
            text.push('^');
        }
        if text.is_empty() || beside_bullet {
            return;
        }
        let written = text.trim_end().len();
        let breaks = text[written..].matches('\n').count();
        match gap {
            Gap::None => {}
            Gap::Space if written == text.len() => text.push(' '),
            Gap::Space => {}
            Gap::Line | Gap::Block => {
                let wanted = if gap == Gap::Line { 1 } else { 2 };
                text.truncate(written);
                text.push_str(&"\n".repeat(wanted.max(breaks.min(2))));
            }
        }
    }
}
