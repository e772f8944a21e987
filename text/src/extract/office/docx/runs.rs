//! The text of a paragraph of a Word document.

use roxmltree::Node;

use super::{
    super::{MAX_DEPTH, flow::escape, math},
    styles::{Styles, is_on},
};
use crate::extract::xml::{attribute, child, children, find, name};

/// The fields that are open, outermost first: whether their code is being read, which is not shown, or their result.
#[derive(Default)]
pub(super) struct Fields(Vec<bool>);

impl Fields {
    fn mark(&mut self, kind: Option<&str>) {
        match kind {
            Some("begin") => self.0.push(true),
            Some("separate") => {
                if let Some(code) = self.0.last_mut() {
                    *code = false;
                }
            }
            _ => {
                self.0.pop();
            }
        }
    }

    fn is_code(&self) -> bool {
        self.0.contains(&true)
    }
}

/// A paragraph as it is read.
pub(super) struct Runs<'r, 'a> {
    styles: &'r Styles<'a>,
    fields: &'r mut Fields,
    properties: Option<Node<'a, 'a>>,
    pub(super) html: String,
    /// Text boxes that are anchored in it.
    pub(super) boxes: Vec<Node<'a, 'a>>,
    /// Its notes: whether an endnote, and the id.
    pub(super) notes: Vec<(bool, &'a str)>,
    /// Whether all that is seen of it is set in letters of one width.
    pub(super) monospaced: bool,
}

impl<'r, 'a> Runs<'r, 'a> {
    /// Reads the paragraph `node`.
    pub(super) fn of(node: Node<'a, 'a>, styles: &'r Styles<'a>, fields: &'r mut Fields) -> Self {
        let mut runs = Self {
            styles,
            fields,
            properties: child(node, "pPr"),
            html: String::new(),
            boxes: Vec::new(),
            notes: Vec::new(),
            monospaced: true,
        };
        runs.all(node, 0);
        runs.monospaced &= !runs.html.trim().is_empty();
        runs
    }

    fn all(&mut self, node: Node<'a, 'a>, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for child in node.children() {
            match name(child) {
                "r" => self.run(child, depth),
                "oMath" => {
                    let mut line = String::new();
                    math::write(child, &mut line);
                    self.monospaced = false;
                    escape(&line, &mut self.html);
                }
                "sdt" => {
                    let is_placeholder = self::child(child, "sdtPr")
                        .is_some_and(|properties| self::child(properties, "showingPlcHdr").is_some());
                    if !is_placeholder {
                        self.all(child, depth + 1);
                    }
                }
                "AlternateContent" => {
                    if let Some(branch) = shown(child) {
                        self.all(branch, depth + 1);
                    }
                }
                "hyperlink" | "ins" | "moveTo" | "smartTag" | "fldSimple" | "customXml" | "dir" | "bdo"
                | "oMathPara" | "sdtContent" | "rubyBase" => self.all(child, depth + 1),
                _ => {}
            }
        }
    }

    fn run(&mut self, run: Node<'a, 'a>, depth: usize) {
        let properties = child(run, "rPr");
        let is_hidden = self.styles.is_hidden(properties, self.properties);
        let is_raised = properties
            .and_then(|properties| attribute(self::child(properties, "vertAlign")?, "val"))
            == Some("superscript");
        for child in run.children() {
            if name(child) == "fldChar" {
                self.fields.mark(attribute(child, "fldCharType"));
                continue;
            }
            if is_hidden || self.fields.is_code() {
                continue;
            }
            match name(child) {
                "t" => {
                    let text = child.text().unwrap_or_default();
                    self.monospaced &= text.trim().is_empty() || self.styles.is_monospaced(properties);
                    self.html.push_str(if is_raised { "<sup>" } else { "" });
                    escape(text, &mut self.html);
                    self.html.push_str(if is_raised { "</sup>" } else { "" });
                }
                "tab" | "ptab" => self.html.push('\t'),
                "br" | "cr" => self.html.push_str("<br>"),
                "noBreakHyphen" => self.html.push('-'),
                "footnoteReference" => self.note(child, false),
                "endnoteReference" => self.note(child, true),
                "ruby" => self.all(child, depth + 1),
                "drawing" | "pict" | "object" => self.boxes_of(child),
                "AlternateContent" => {
                    if let Some(branch) = shown(child) {
                        self.boxes_of(branch);
                    }
                }
                _ => {}
            }
        }
    }

    fn note(&mut self, reference: Node<'a, 'a>, is_endnote: bool) {
        if let Some(id) = attribute(reference, "id") {
            self.notes.push((is_endnote, id));
        }
    }

    /// Takes the text boxes of a drawing; those within them come with them.
    fn boxes_of(&mut self, drawing: Node<'a, 'a>) {
        let is_box = |node: &Node<'a, 'a>| name(*node) == "txbxContent";
        let found = drawing.descendants().filter(is_box);
        let outermost = found.filter(|found| {
            let mut above = found.ancestors().skip(1).take_while(|above| *above != drawing);
            !above.any(|above| is_box(&above) || name(above) == "Fallback")
        });
        self.boxes.extend(outermost);
    }
}

/// The branch of alternatives that a program of today shows: the same text is in each of them.
pub(super) fn shown<'a>(alternatives: Node<'a, 'a>) -> Option<Node<'a, 'a>> {
    let has_text = |branch: &Node<'a, 'a>| find(*branch, "t").is_some();
    let choices = children(alternatives, "Choice");
    choices.chain(child(alternatives, "Fallback")).find(has_text)
}

/// Whether `properties` have this switch, and it is on.
pub(super) fn has(properties: Option<Node<'_, '_>>, switch: &str) -> bool {
    let node = properties.and_then(|properties| child(properties, switch));
    node.is_some_and(|node| attribute(node, "val").is_none_or(is_on))
}
