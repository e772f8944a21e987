//! What stands on a slide.

use std::collections::HashSet;

use roxmltree::Node;

use super::super::{
    MAX_DEPTH,
    flow::{Cell, Flow, Row, escape, is_monospaced},
    math,
};
use crate::extract::xml::{attribute, child, children, find, name, number};

/// The shapes of a slide while they are read.
pub(super) struct Shapes<'a> {
    /// The places for text of the layout that have no bullets.
    plain: HashSet<&'a str>,
    /// Ids of the parts that diagrams are drawn from.
    pub(super) diagrams: Vec<&'a str>,
    /// The shape whose text is the slide's title.
    title: Option<Node<'a, 'a>>,
}

impl<'a> Shapes<'a> {
    pub(super) fn of(slide: Node<'a, 'a>, layout: Option<Node<'a, 'a>>) -> Self {
        let shapes = |root: Node<'a, 'a>| root.descendants().filter(|node| name(*node) == "sp");
        let plain = layout.into_iter().flat_map(shapes).filter_map(|shape| {
            let first =
                child(child(shape, "txBody")?, "lstStyle").and_then(|styles| child(styles, "lvl1pPr"));
            child(first?, "buNone")?;
            Some(place(shape)?.1)
        });
        let is_title = |shape: &Node<'a, 'a>| {
            !is_hidden(*shape) && place(*shape).is_some_and(|(kind, _)| matches!(kind, "title" | "ctrTitle"))
        };
        Self {
            plain: plain.collect(),
            diagrams: Vec::new(),
            title: shapes(slide).find(is_title),
        }
    }

    /// The title of the slide, if it has one.
    pub(super) fn title(&self) -> Option<String> {
        let html = text(child(self.title?, "txBody")?);
        (!html.trim().is_empty()).then_some(html)
    }

    /// Writes the shapes of `tree` but its title.
    pub(super) fn write(&mut self, tree: Node<'a, 'a>, flow: &mut Flow) {
        self.write_at(tree, flow, 0);
    }

    fn write_at(&mut self, tree: Node<'a, 'a>, flow: &mut Flow, depth: usize) {
        if depth > MAX_DEPTH {
            return;
        }
        for shape in tree.children().filter(|shape| !is_hidden(*shape)) {
            match name(shape) {
                "sp" if self.title != Some(shape) => self.shape(shape, flow),
                "grpSp" => self.write_at(shape, flow, depth + 1),
                "graphicFrame" => {
                    if let Some(table) = find(shape, "tbl") {
                        flow.table(&rows(table));
                    } else if let Some(diagram) = find(shape, "relIds").and_then(|ids| attribute(ids, "dm")) {
                        self.diagrams.push(diagram);
                    }
                }
                "AlternateContent" => {
                    let has_text = |branch: &Node<'a, 'a>| find(*branch, "t").is_some();
                    let branches = children(shape, "Choice").chain(child(shape, "Fallback"));
                    if let Some(branch) = branches.into_iter().find(has_text) {
                        self.write_at(branch, flow, depth + 1);
                    }
                }
                _ => {}
            }
        }
    }

    fn shape(&self, shape: Node<'a, 'a>, flow: &mut Flow) {
        let place = place(shape);
        if place.is_some_and(|(kind, _)| matches!(kind, "dt" | "ftr" | "sldNum" | "hdr")) {
            return;
        }
        // Places for text have bullets where neither they nor their layout say otherwise.
        let is_list = place
            .is_some_and(|(kind, index)| matches!(kind, "" | "body" | "obj") && !self.plain.contains(index));
        if let Some(body) = child(shape, "txBody") {
            paragraphs(body, is_list, flow);
        }
    }

    /// Writes what the speaker's notes say.
    pub(super) fn notes(&self, tree: Node<'a, 'a>, flow: &mut Flow) {
        let shapes =
            children(tree, "sp").filter(|shape| place(*shape).is_some_and(|(kind, _)| kind == "body"));
        for body in shapes.filter_map(|shape| child(shape, "txBody")) {
            paragraphs(body, false, flow);
        }
    }
}

/// Kind and index of the place of the layout that a shape fills.
fn place<'a>(shape: Node<'a, 'a>) -> Option<(&'a str, &'a str)> {
    let properties = child(child(shape, "nvSpPr")?, "nvPr")?;
    let place = child(properties, "ph")?;
    let attribute = |named| attribute(place, named).unwrap_or_default();
    Some((attribute("type"), attribute("idx")))
}

fn is_hidden(shape: Node<'_, '_>) -> bool {
    let own = shape.children().find(|child| name(*child).starts_with("nv"));
    own.and_then(|own| attribute(child(own, "cNvPr")?, "hidden"))
        .is_some_and(|hidden| matches!(hidden, "1" | "true"))
}

fn paragraphs(body: Node<'_, '_>, is_list: bool, flow: &mut Flow) {
    let several = children(body, "p")
        .filter(|paragraph| !line(*paragraph).trim().is_empty())
        .nth(1);
    // How far each level is counted.
    let mut counted = [0_i64; 9];
    for paragraph in children(body, "p") {
        let html = line(paragraph);
        let properties = child(paragraph, "pPr");
        let level = properties
            .and_then(|properties| number(properties, "lvl"))
            .unwrap_or(0);
        let level = usize::try_from(level).unwrap_or(0).min(8);
        let has = |named| properties.and_then(|properties| child(properties, named));
        if html.trim().is_empty() {
            continue;
        }
        let automatic = has("buAutoNum");
        if let Some(automatic) = automatic {
            counted[level] = match counted[level] {
                0 => number(automatic, "startAt").unwrap_or(1),
                last => last.saturating_add(1),
            };
        } else {
            counted[level] = 0;
        }
        counted[level + 1..].fill(0);
        let is_item = has("buChar").is_some()
            || has("buBlip").is_some()
            || (is_list && several.is_some() && has("buNone").is_none());
        match automatic {
            Some(_) => flow.item(level, Some(counted[level]), &html),
            None if is_item => flow.item(level, None, &html),
            None if is_code(paragraph) => flow.code(&html),
            None => flow.paragraph(&html),
        }
    }
}

/// The paragraphs of `body` in one line.
pub(super) fn text(body: Node<'_, '_>) -> String {
    let lines: Vec<String> = children(body, "p").map(line).collect();
    lines.join(" ").replace("<br>", " ")
}

/// A paragraph as HTML.
fn line(paragraph: Node<'_, '_>) -> String {
    let mut html = String::new();
    write_runs(paragraph, &mut html, 0);
    html
}

fn write_runs(node: Node<'_, '_>, html: &mut String, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for run in node.children() {
        match name(run) {
            "r" | "fld" if attribute(run, "type") != Some("slidenum") => {
                let raised = child(run, "rPr").and_then(|properties| number(properties, "baseline"));
                let text = child(run, "t").and_then(|text| text.text()).unwrap_or_default();
                let is_raised = raised.is_some_and(|raised| raised > 0);
                html.push_str(if is_raised { "<sup>" } else { "" });
                // A line break within a paragraph, as files of other programs have it.
                for (at, part) in text.split(['\u{b}', '\n']).enumerate() {
                    html.push_str(if at > 0 { "<br>" } else { "" });
                    escape(part, html);
                }
                html.push_str(if is_raised { "</sup>" } else { "" });
            }
            "br" => html.push_str("<br>"),
            "m" | "oMath" | "oMathPara" => {
                let mut formula = String::new();
                math::write(run, &mut formula);
                escape(&formula, html);
            }
            "AlternateContent" => {
                if let Some(choice) = child(run, "Choice") {
                    write_runs(choice, html, depth + 1);
                }
            }
            _ => {}
        }
    }
}

/// Whether all of a paragraph is set in letters of one width.
fn is_code(paragraph: Node<'_, '_>) -> bool {
    let mut runs = children(paragraph, "r").peekable();
    let face = |run: Node<'_, '_>| {
        let latin = child(run, "rPr").and_then(|properties| child(properties, "latin"));
        latin
            .and_then(|latin| attribute(latin, "typeface"))
            .is_some_and(is_monospaced)
    };
    runs.peek().is_some() && runs.all(face)
}

fn rows(table: Node<'_, '_>) -> Vec<Row> {
    let properties = child(table, "tblPr");
    let has_head = properties
        .and_then(|properties| attribute(properties, "firstRow"))
        .is_some_and(|first| matches!(first, "1" | "true"));
    let is_merged = |cell: &Node<'_, '_>| {
        ["hMerge", "vMerge"]
            .iter()
            .any(|merge| attribute(*cell, merge).is_some_and(|merge| matches!(merge, "1" | "true")))
    };
    let rows = children(table, "tr").enumerate().map(|(at, row)| {
        let cells = children(row, "tc").filter(|cell| !is_merged(cell)).map(|cell| {
            let mut flow = Flow::default();
            if let Some(body) = child(cell, "txBody") {
                paragraphs(body, false, &mut flow);
            }
            let rows = number(cell, "rowSpan").and_then(|rows| usize::try_from(rows).ok());
            Cell {
                html: flow.finish(),
                rows: rows.unwrap_or(1),
            }
        });
        Row {
            is_header: has_head && at == 0,
            cells: cells.collect(),
        }
    });
    rows.collect()
}
