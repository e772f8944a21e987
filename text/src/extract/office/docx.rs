//! Word documents.

mod numbering;
mod runs;
mod styles;

use std::collections::HashMap;

use roxmltree::Node;

use super::{
    MAX_DEPTH,
    flow::{Cell, Flow, Row, escape},
    package::{Relations, main_part},
};
use crate::{
    Document, ExtractError,
    extract::{
        archive::Archive,
        html,
        xml::{self, attribute, child, children, find, name, number},
    },
};
use numbering::{Mark, Numbering};
use runs::{Fields, Runs, has, shown};
use styles::{Role, Styles};

/// Extracts the document `bytes`: headings by the level of their style, lists, tables, formulas in a line. Text boxes
/// and notes stand after the paragraph they belong to. Heads and feet of pages, the table of contents, comments, what
/// was deleted and what is hidden are no text.
pub(in super::super) fn extract(bytes: &[u8]) -> Result<Document, ExtractError> {
    let mut archive = Archive::open(bytes)?;
    let main = main_part(&mut archive)?;
    let relations = Relations::of(&mut archive, &main)?;
    let text = archive.required(&main)?;
    let kinds = ["styles", "numbering", "footnotes", "endnotes"];
    let mut texts = Vec::new();
    for kind in kinds {
        texts.push(relations.text(&mut archive, kind)?);
    }
    let parsed = texts
        .iter()
        .map(|text| text.as_deref().map(xml::parse).transpose());
    let parts = parsed.collect::<Result<Vec<_>, _>>()?;
    let document = xml::parse(&text)?;
    let body = child(document.root_element(), "body").ok_or(ExtractError::DamagedFile)?;
    let root = |at: usize| parts[at].as_ref().map(roxmltree::Document::root_element);
    let mut reader = Reader {
        styles: root(0).map(Styles::of).unwrap_or_default(),
        numbering: root(1).map(Numbering::of).unwrap_or_default(),
        notes: [(false, 2, "footnote"), (true, 3, "endnote")]
            .into_iter()
            .filter_map(|(is_endnote, at, named)| Some((is_endnote, root(at)?, named)))
            .flat_map(|(is_endnote, root, named)| {
                let notes = children(root, named);
                notes.filter_map(move |note| Some(((is_endnote, attribute(note, "id")?), note)))
            })
            .collect(),
        fields: Fields::default(),
        aside: Vec::new(),
        depth: 0,
    };
    let mut flow = Flow::default();
    reader.blocks(body, &mut flow, true);
    Ok(html::extract(&flow.finish()))
}

struct Reader<'a> {
    styles: Styles<'a>,
    numbering: Numbering<'a>,
    /// The notes, by whether they are endnotes and their ids; each is there once.
    notes: HashMap<(bool, &'a str), Node<'a, 'a>>,
    fields: Fields,
    /// Text boxes and notes that are due after the block that is being read.
    aside: Vec<Node<'a, 'a>>,
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
                "p" => self.paragraph(block, flow),
                "tbl" => {
                    let rows = self.rows(block);
                    flow.table(&rows);
                }
                "sdt" => {
                    let gallery = child(block, "sdtPr").and_then(|p| find(p, "docPartGallery"));
                    let is_contents =
                        gallery.and_then(|gallery| attribute(gallery, "val")) == Some("Table of Contents");
                    if let Some(content) = child(block, "sdtContent").filter(|_| !is_contents) {
                        self.blocks(content, flow, outermost);
                    }
                }
                "ins" | "moveTo" | "customXml" | "smartTag" => self.blocks(block, flow, outermost),
                "AlternateContent" => {
                    if let Some(branch) = shown(block) {
                        self.blocks(branch, flow, outermost);
                    }
                }
                "oMathPara" | "oMath" => {
                    let mut line = String::new();
                    super::math::write(block, &mut line);
                    let mut html = String::new();
                    escape(&line, &mut html);
                    flow.paragraph(&html);
                }
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

    fn paragraph(&mut self, node: Node<'a, 'a>, flow: &mut Flow) {
        let properties = child(node, "pPr");
        let runs = Runs::of(node, &self.styles, &mut self.fields);
        let (html, monospaced) = (runs.html, runs.monospaced);
        self.aside.extend(runs.boxes);
        for note in runs.notes {
            self.aside.extend(self.notes.remove(&note));
        }
        let role = self.styles.role(properties);
        if role == Role::Contents {
            return;
        }
        let is_empty = html.trim().is_empty();
        // An empty paragraph has a number all the same.
        let list = self.styles.numbering(properties);
        let mark = list.and_then(|(id, level)| Some((self.numbering.next(id, level)?, level)));
        match (role, mark) {
            (Role::Code, _) => flow.code(&html),
            _ if is_empty => {}
            (Role::Title, _) => flow.title(&html),
            (Role::Heading(level), Some((Mark::Number(_, mark), _))) => {
                let mut numbered = String::new();
                escape(&mark, &mut numbered);
                flow.heading(level, &format!("{numbered} {html}"));
            }
            (Role::Heading(level), _) => flow.heading(level, &html),
            (_, Some((Mark::Number(number, _), level))) => flow.item(level, Some(number), &html),
            (_, Some((Mark::Bullet, level))) => flow.item(level, None, &html),
            _ if monospaced => flow.code(&html),
            _ => flow.paragraph(&html),
        }
    }

    fn rows(&mut self, table: Node<'a, 'a>) -> Vec<Row> {
        let look = child(table, "tblPr").and_then(|properties| child(properties, "tblLook"));
        let has_head = look.is_some_and(|look| {
            let bits = attribute(look, "val").and_then(|bits| u32::from_str_radix(bits, 16).ok());
            attribute(look, "firstRow").map_or(bits.unwrap_or(0) & 0x20 != 0, styles::is_on)
        });
        let mut rows: Vec<Row> = Vec::new();
        // For each column, the row and place of the cell that reaches down in it.
        let mut reaching: HashMap<usize, (usize, usize)> = HashMap::new();
        for row in inside(table, "tr") {
            let properties = child(row, "trPr");
            if has(properties, "del") || has(properties, "hidden") {
                continue;
            }
            let is_header = has(properties, "tblHeader") || (has_head && rows.is_empty());
            let mut cells: Vec<Cell> = Vec::new();
            let before = properties.and_then(|properties| number(child(properties, "gridBefore")?, "val"));
            let mut column = columns(before.unwrap_or(0));
            for cell in inside(row, "tc") {
                let properties = child(cell, "tcPr");
                let of = |named| properties.and_then(|properties| child(properties, named));
                let merge = of("vMerge").map(|merge| attribute(merge, "val").unwrap_or("continue"));
                let span = of("gridSpan").and_then(|span| number(span, "val"));
                match (merge, reaching.get(&column)) {
                    (Some("continue"), Some((row, place))) => rows[*row].cells[*place].rows += 1,
                    _ => {
                        reaching.remove(&column);
                        if merge.is_some() {
                            reaching.insert(column, (rows.len(), cells.len()));
                        }
                        let mut flow = Flow::default();
                        self.blocks(cell, &mut flow, false);
                        cells.push(Cell {
                            html: flow.finish(),
                            rows: 1,
                        });
                    }
                }
                column += columns(span.unwrap_or(1)).max(1);
            }
            rows.push(Row { is_header, cells });
        }
        rows
    }
}

/// A number of columns, as many as a table can have.
fn columns(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0).min(63)
}

/// The rows of a table or the cells of a row, also those that were inserted or stand in a control.
fn inside<'a>(node: Node<'a, 'a>, named: &'static str) -> Vec<Node<'a, 'a>> {
    let mut found = Vec::new();
    for child in node.children() {
        match name(child) {
            is if is == named => found.push(child),
            "sdt" | "sdtContent" | "ins" | "customXml" if found.len() < 100_000 => {
                found.extend(child.children().flat_map(|inner| match name(inner) {
                    is if is == named => vec![inner],
                    "sdtContent" => children(inner, named).collect(),
                    _ => Vec::new(),
                }));
            }
            _ => {}
        }
    }
    found
}
