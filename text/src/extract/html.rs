//! HTML to readable text.

use html2text::config;
use html2text::render::TextDecorator;

use crate::{Anchor, Document, ExtractError, document::Path};

/// Stands before a heading's line, once per level, until the anchors are made. A private-use character; the
/// source's own are removed first.
const HEADING_MARK: char = '\u{f8f0}';

/// Wide enough that no paragraph is wrapped: quotations should not contain the renderer's line breaks.
const WIDTH: usize = 1 << 20;

/// Extracts `source`: scripts and styles dropped, links as their text, table cells as lines, headings as anchors.
/// [`ExtractError::NoText`] when the renderer gives up on the document.
pub(super) fn extract(source: &str) -> Result<Document, ExtractError> {
    let source = source.replace(HEADING_MARK, "");
    let rendered = config::with_decorator(Plain)
        .raw_mode(true)
        .allow_width_overflow()
        .string_from_read(source.as_bytes(), WIDTH)
        .map_err(|_| ExtractError::NoText)?;
    Ok(anchored(&rendered))
}

/// Takes the heading marks out of `rendered` and makes anchors of them.
fn anchored(rendered: &str) -> Document {
    let mut document = Document::default();
    let mut path = Path::default();
    for line in rendered.lines() {
        let title = line.trim_start_matches(HEADING_MARK);
        let level = (line.len() - title.len()) / HEADING_MARK.len_utf8();
        let title = title.replace(HEADING_MARK, "");
        let title = title.trim_end();
        if level > 0 && !title.trim().is_empty() {
            document.anchors.push(Anchor {
                start: document.text.len(),
                heading_path: path.open(level, title.trim()),
                ..Anchor::default()
            });
        }
        // The renderer leaves runs of blank lines where it drops elements.
        if !(title.is_empty() && (document.text.is_empty() || document.text.ends_with("\n\n"))) {
            document.text.push_str(title);
            document.text.push('\n');
        }
        // A list may follow its heading directly, which would make one paragraph of both.
        if level > 0 && !document.text.ends_with("\n\n") {
            document.text.push('\n');
        }
    }
    document.text.truncate(document.text.trim_end().len());
    document
}

/// Renders text only: no footnotes for links, no marks for emphasis, bullets for lists.
struct Plain;

/// No text, no annotation.
fn nothing() -> (String, ()) {
    (String::new(), ())
}

impl TextDecorator for Plain {
    type Annotation = ();

    fn decorate_link_start(&mut self, _url: &str) -> (String, ()) {
        nothing()
    }
    fn decorate_link_end(&mut self) -> String {
        String::new()
    }
    fn decorate_em_start(&self) -> (String, ()) {
        nothing()
    }
    fn decorate_em_end(&self) -> String {
        String::new()
    }
    fn decorate_strong_start(&self) -> (String, ()) {
        nothing()
    }
    fn decorate_strong_end(&self) -> String {
        String::new()
    }
    fn decorate_strikeout_start(&self) -> (String, ()) {
        nothing()
    }
    fn decorate_strikeout_end(&self) -> String {
        String::new()
    }
    fn decorate_code_start(&self) -> (String, ()) {
        nothing()
    }
    fn decorate_code_end(&self) -> String {
        String::new()
    }
    fn decorate_preformat_first(&self) {}
    fn decorate_preformat_cont(&self) {}
    fn decorate_image(&mut self, _src: &str, title: &str) -> (String, ()) {
        (title.to_owned(), ())
    }
    fn header_prefix(&self, level: usize) -> String {
        HEADING_MARK.to_string().repeat(level)
    }
    fn quote_prefix(&self) -> String {
        String::new()
    }
    fn unordered_item_prefix(&self) -> String {
        "- ".to_owned()
    }
    fn ordered_item_prefix(&self, number: i64) -> String {
        format!("{number}. ")
    }
    fn make_subblock_decorator(&self) -> Self {
        Self
    }
    fn decorate_superscript_start(&self) -> (String, ()) {
        nothing()
    }
    fn decorate_superscript_end(&self) -> String {
        String::new()
    }
    fn finalise(&mut self, _urls: Vec<String>) -> Vec<html2text::render::TaggedLine<()>> {
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_lists_and_headings() {
        let source = "<html><head><title>t</title><style>p{}</style></head><body><h1>Owner<em>ship</em></h1>\
<p>Each value has an <a href='https://example.org'>owner</a>\n and <b>one</b> scope&nbsp;&amp; more.</p>\
<h2>Rules</h2><ol><li>First</li><li>Second</li></ol><pre>let x = 1;\n  let y;</pre>\
<table><tr><td>a</td><td>b</td></tr></table><script>alert(1)</script></body></html>";
        let document = extract(source).unwrap();
        assert_eq!(
            document.text,
            "Ownership\n\nEach value has an owner and one scope\u{a0}& more.\n\nRules\n\n1. First\n2. Second\n\n\
let x = 1;\n  let y;\n\na\nb"
        );
        let paths: Vec<_> = document
            .anchors
            .iter()
            .map(|a| (a.start, a.heading_path.join("/")))
            .collect();
        let rules = document.text.find("Rules").unwrap();
        assert_eq!(
            paths,
            [(0, "Ownership".to_owned()), (rules, "Ownership/Rules".to_owned())]
        );
    }

    #[test]
    fn long_paragraphs_are_not_wrapped() {
        let words = "word ".repeat(5000);
        let document = extract(&format!("<p>{words}</p>")).unwrap();
        assert_eq!(document.text, words.trim_end());
    }
}
