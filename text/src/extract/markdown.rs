//! Markdown to readable text: markup gone, structure kept.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::{Anchor, Document, document::Path};

/// Levels of a list that are indented further. Without an end, lists within lists would make a text of the square of
/// their number.
const MAX_INDENT: usize = 32;

/// Extracts `source`. Headings, list items, table rows and lines of code stay lines; links and images become
/// their text; HTML tags and front matter are dropped. Every heading begins an anchor.
pub(super) fn extract(source: &str) -> Document {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut writer = Writer::default();
    for event in Parser::new_ext(source, options) {
        writer.event(event);
    }
    let text = writer.text.trim_end().to_owned();
    Document {
        text,
        anchors: writer.anchors,
    }
}

/// The document so far, and where in its structure the parser stands.
#[derive(Default)]
struct Writer {
    text: String,
    anchors: Vec<Anchor>,
    path: Path<HeadingLevel>,
    /// Where the text of the heading that is being read begins.
    heading: Option<usize>,
    /// Open lists; the next number of the ordered ones.
    lists: Vec<Option<u64>>,
    /// Inside front matter, whose text is no prose.
    skipping: bool,
    /// Cells of the current table row so far.
    cells: usize,
}

impl Writer {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Code(text) if !self.skipping => self.text.push_str(&text),
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::InlineHtml(tag) if tag.to_ascii_lowercase().starts_with("<br") => self.text.push('\n'),
            Event::Html(html) => self.text.push_str(&without_tags(&html)),
            Event::TaskListMarker(done) => self.text.push_str(if done { "[x] " } else { "[ ] " }),
            Event::Rule => self.block(),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.block();
                self.heading = Some(self.text.len());
            }
            // The first paragraph of an item stands beside its bullet.
            Tag::Paragraph if self.text.ends_with("- ") || self.text.ends_with(". ") => {}
            Tag::Paragraph | Tag::CodeBlock(_) | Tag::Table(_) | Tag::HtmlBlock => self.block(),
            Tag::BlockQuote(_) | Tag::FootnoteDefinition(_) => self.block(),
            Tag::List(first) => {
                if self.lists.is_empty() {
                    self.block();
                }
                self.lists.push(*first);
            }
            Tag::Item => self.item(),
            Tag::TableHead | Tag::TableRow => {
                self.line();
                self.cells = 0;
            }
            Tag::TableCell => {
                if self.cells > 0 {
                    self.text.push_str(" | ");
                }
                self.cells += 1;
            }
            Tag::MetadataBlock(_) => self.skipping = true,
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => self.end_heading(level),
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::MetadataBlock(_) => self.skipping = false,
            _ => {}
        }
    }

    /// Records the heading that was just written, under the open headings of lower level.
    fn end_heading(&mut self, level: HeadingLevel) {
        let Some(start) = self.heading.take() else { return };
        let title = self.text[start..].trim();
        if title.is_empty() {
            return;
        }
        self.anchors.push(Anchor {
            start,
            heading_path: self.path.open(level, title),
            ..Anchor::default()
        });
    }

    /// Begins a list item with its bullet or number.
    fn item(&mut self) {
        self.line();
        for _ in 1..self.lists.len().min(MAX_INDENT) {
            self.text.push_str("  ");
        }
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.text.push_str(&format!("{number}. "));
                *number += 1;
            }
            _ => self.text.push_str("- "),
        }
    }

    /// Ends the current line, if one is open.
    fn line(&mut self) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Ends the current block with a blank line.
    fn block(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        if !self.text.is_empty() {
            self.text.push_str("\n\n");
        }
    }
}

/// `html` without its tags and comments; enough for the wrapper elements people put into Markdown.
fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        text.push_str(&rest[..open]);
        let end = if rest[open..].starts_with("<!--") {
            rest.find("-->").map(|at| at + 3)
        } else {
            rest.find('>').map(|at| at + 1)
        };
        rest = match end {
            Some(end) if end > open => &rest[end..],
            _ => "",
        };
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "---\ntitle: x\n---\n\
# Owner*ship*\n\nEach value has\nan [owner](https://example.org) and `one` scope.\n\n\
## Rules ##\n\n1. First\n2. Second\n   - nested **item**\n\n\
```rust\nlet x = 1;\n\nlet y = x;\n```\n\n\
| Type | Size |\n|---|---:|\n| u8 | 1 |\n\n<div>\n\nInside ![alt text](a.png)<br>here\n\n</div>\n\n# End\n\n- [x] done[^1]\n\n[^1]: A note.\n";

    #[test]
    fn structure_survives_markup_does_not() {
        let document = extract(SOURCE);
        assert_eq!(
            document.text,
            "Ownership\n\nEach value has an owner and one scope.\n\nRules\n\n1. First\n2. Second\n  - nested item\n\n\
let x = 1;\n\nlet y = x;\n\nType | Size\nu8 | 1\n\nInside alt text\nhere\n\nEnd\n\n- [x] done\n\nA note."
        );
    }

    #[test]
    fn lists_within_lists_stay_linear() {
        let text = extract(&("- ".repeat(20_000) + "x")).text;
        assert!(text.len() < 20_000 * (2 * MAX_INDENT + 3) && text.ends_with("- x"));
    }

    #[test]
    fn headings_are_anchors() {
        let document = extract(SOURCE);
        let found: Vec<_> = document
            .anchors
            .iter()
            .map(|anchor| {
                (
                    anchor.heading_path.join("/"),
                    document.text[anchor.start..].lines().next().unwrap(),
                )
            })
            .collect();
        let expected = [
            ("Ownership", "Ownership"),
            ("Ownership/Rules", "Rules"),
            ("End", "End"),
        ];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn tags_are_removed() {
        assert_eq!(without_tags("<p class='x'>a <!-- > no --> b</p"), "a  b");
        assert_eq!(without_tags("1 > 0"), "1 > 0");
    }
}
