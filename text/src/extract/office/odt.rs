//! Texts of OpenDocument.

mod styles;

use std::collections::HashMap;

use roxmltree::Node;

use super::{
    MAX_DEPTH,
    flow::{Cell, Flow, Row, escape},
};
use crate::{
    Document, ExtractError,
    extract::{
        archive::Archive,
        html,
        xml::{self, attribute, child, children, find, name, number},
    },
};
use styles::Styles;

/// Blanks that one element may stand for.
const MAX_BLANKS: i64 = 100;

/// Extracts the text document `bytes`, as [`docx`](super::docx) does a Word document.
pub(in super::super) fn extract(bytes: &[u8]) -> Result<Document, ExtractError> {
    let mut archive = Archive::open(bytes)?;
    if let Some(manifest) = archive.text("META-INF/manifest.xml")? {
        let manifest = xml::parse(&manifest)?;
        if find(manifest.root_element(), "encryption-data").is_some() {
            return Err(ExtractError::Protected);
        }
    }
    let text = archive.required("content.xml")?;
    let named = archive.text("styles.xml")?;
    let named = named.as_deref().map(xml::parse).transpose()?;
    let content = xml::parse(&text)?;
    let body = find(content.root_element(), "body").and_then(|body| child(body, "text"));
    let body = body.ok_or(ExtractError::DamagedFile)?;
    let formulas = formulas(&mut archive, body)?;
    let roots = [
        named.as_ref().map(roxmltree::Document::root_element),
        Some(content.root_element()),
    ];
    let mut reader = Reader {
        styles: Styles::of(roots.into_iter().flatten()),
        formulas,
        counted: HashMap::new(),
        aside: Vec::new(),
        depth: 0,
    };
    let mut flow = Flow::default();
    reader.blocks(body, &mut flow, true);
    Ok(html::extract(&flow.finish()))
}

/// The formulas that stand in `body`, as they were typed, by the names of their files.
fn formulas(archive: &mut Archive<'_>, body: Node<'_, '_>) -> Result<HashMap<String, String>, ExtractError> {
    let mut formulas = HashMap::new();
    for object in body.descendants().filter(|node| name(*node) == "object") {
        let Some(reference) = attribute(object, "href") else {
            continue;
        };
        let file = format!("{}/content.xml", reference.trim_start_matches("./"));
        let Some(text) = archive.text(&file)? else {
            continue;
        };
        let formula = xml::parse(&text)?;
        if let Some(typed) = find(formula.root_element(), "annotation") {
            formulas.insert(reference.to_owned(), xml::text(typed).trim().to_owned());
        }
    }
    Ok(formulas)
}

struct Reader<'a> {
    styles: Styles<'a>,
    formulas: HashMap<String, String>,
    /// How far each numbered list is counted, by its style and depth.
    counted: HashMap<(&'a str, usize), i64>,
    /// Text boxes and notes that are due after the block that is being read.
    aside: Vec<Node<'a, 'a>>,
    depth: usize,
}

/// Where in a list a block stands.
#[derive(Clone, Copy)]
struct List<'a> {
    style: &'a str,
    /// Lists it is in, less one.
    depth: usize,
}

impl<'a> Reader<'a> {
    /// Reads the blocks below `node`; what belongs to them stands after them if this is the `outermost` text.
    fn blocks(&mut self, node: Node<'a, 'a>, flow: &mut Flow, outermost: bool) {
        if self.depth > MAX_DEPTH {
            return;
        }
        self.depth += 1;
        for block in node.children() {
            match name(block) {
                "h" | "p" => self.paragraph(block, None, flow),
                "list" => self.list(block, None, flow),
                "table" => {
                    let rows = self.rows(block, false);
                    flow.table(&rows);
                }
                "section" if self.styles.is_shown(block) => self.blocks(block, flow, outermost),
                "bibliography" | "index-body" | "numbered-paragraph" => self.blocks(block, flow, outermost),
                "frame" | "text-box" | "custom-shape" | "rect" | "g" => self.aside.push(block),
                _ => {}
            }
            while outermost && !self.aside.is_empty() {
                for aside in std::mem::take(&mut self.aside) {
                    self.blocks(aside, flow, false);
                }
            }
        }
        self.depth -= 1;
    }

    fn paragraph(&mut self, node: Node<'a, 'a>, item: Option<(List<'a>, i64)>, flow: &mut Flow) {
        if !self.styles.is_shown(node) || attribute(node, "is-hidden") == Some("true") {
            return;
        }
        let mut html = String::new();
        self.inline(node, &mut html, 0);
        let style = attribute(node, "style-name").unwrap_or_default();
        let is_empty = html.trim().is_empty();
        match name(node) {
            _ if self.styles.is_code(style) => flow.code(&html),
            _ if is_empty => {}
            "h" => {
                let level = number(node, "outline-level").and_then(|level| u8::try_from(level).ok());
                flow.heading(level.unwrap_or(1).clamp(1, 9), &html);
            }
            _ if self.styles.is_title(style) => flow.title(&html),
            _ => match (item, self.styles.heading(style)) {
                (Some((list, count)), _) => {
                    let is_numbered = self.styles.is_numbered(list.style, list.depth);
                    flow.item(list.depth, is_numbered.then_some(count), &html);
                }
                (None, Some(level)) => flow.heading(level, &html),
                (None, None) => flow.paragraph(&html),
            },
        }
    }

    fn list(&mut self, node: Node<'a, 'a>, outer: Option<List<'a>>, flow: &mut Flow) {
        if self.depth > MAX_DEPTH {
            return;
        }
        self.depth += 1;
        let style = attribute(node, "style-name").or(outer.map(|outer| outer.style));
        let list = List {
            style: style.unwrap_or_default(),
            depth: outer.map_or(0, |outer| outer.depth + 1),
        };
        let place = (list.style, list.depth);
        let goes_on = attribute(node, "continue-numbering") == Some("true")
            || attribute(node, "continue-list").is_some();
        if !goes_on {
            self.counted.remove(&place);
        }
        for item in node
            .children()
            .filter(|item| matches!(name(*item), "list-item" | "list-header"))
        {
            let is_item = name(item) == "list-item";
            let last = self.counted.get(&place).copied();
            let count = number(item, "start-value").unwrap_or_else(|| {
                last.map_or(self.styles.start(place.0, place.1), |last| last.saturating_add(1))
            });
            let mut first = is_item.then_some((list, count));
            for block in item.children() {
                match name(block) {
                    "p" | "h" => {
                        if let Some((_, count)) = first {
                            self.counted.insert(place, count);
                        }
                        self.paragraph(block, first.take(), flow);
                    }
                    "list" => self.list(block, Some(list), flow),
                    _ => {}
                }
            }
        }
        self.depth -= 1;
    }

    fn inline(&mut self, node: Node<'a, 'a>, html: &mut String, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for part in node.children() {
            if part.is_text() {
                escape(part.text().unwrap_or_default(), html);
                continue;
            }
            match name(part) {
                "s" => {
                    let blanks = number(part, "c").unwrap_or(1).clamp(1, MAX_BLANKS);
                    (0..blanks).for_each(|_| html.push(' '));
                }
                "tab" => html.push('\t'),
                "line-break" => html.push_str("<br>"),
                "note" => self.aside.extend(child(part, "note-body")),
                "frame" => match self.formula(part) {
                    Some(formula) => escape(&formula, html),
                    None => self.aside.push(part),
                },
                "custom-shape" | "rect" | "text-box" => self.aside.push(part),
                "ruby" => {
                    if let Some(base) = child(part, "ruby-base") {
                        self.inline(base, html, depth + 1);
                    }
                }
                "span" => {
                    let style = attribute(part, "style-name").unwrap_or_default();
                    if self.styles.is_shown(part) {
                        let raised = self.styles.is_raised(style);
                        html.push_str(if raised { "<sup>" } else { "" });
                        self.inline(part, html, depth + 1);
                        html.push_str(if raised { "</sup>" } else { "" });
                    }
                }
                // Comments, and places that only mark something.
                "annotation" | "annotation-end" | "tracked-changes" | "script" | "soft-page-break" => {}
                "hidden-text" | "hidden-paragraph" if attribute(part, "is-hidden") == Some("true") => {}
                _ => self.inline(part, html, depth + 1),
            }
        }
    }

    /// The formula in a frame.
    fn formula(&self, frame: Node<'a, 'a>) -> Option<String> {
        let reference = attribute(child(frame, "object")?, "href")?;
        self.formulas.get(reference).cloned()
    }

    fn rows(&mut self, node: Node<'a, 'a>, is_header: bool) -> Vec<Row> {
        let mut rows = Vec::new();
        if self.depth > MAX_DEPTH {
            return rows;
        }
        self.depth += 1;
        for part in node.children() {
            match name(part) {
                "table-header-rows" => rows.extend(self.rows(part, true)),
                "table-rows" | "table-row-group" => rows.extend(self.rows(part, is_header)),
                "table-row" if attribute(part, "visibility").is_none_or(|shown| shown == "visible") => {
                    let cells = children(part, "table-cell").map(|cell| {
                        let mut flow = Flow::default();
                        self.blocks(cell, &mut flow, false);
                        let rows = number(cell, "number-rows-spanned");
                        Cell {
                            html: flow.finish(),
                            rows: rows.and_then(|rows| usize::try_from(rows).ok()).unwrap_or(1),
                        }
                    });
                    let cells = cells.collect();
                    rows.push(Row { is_header, cells });
                }
                _ => {}
            }
        }
        self.depth -= 1;
        rows
    }
}
