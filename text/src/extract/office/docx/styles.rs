//! Styles of a Word document: what they say of the text that is set in them.

use std::collections::HashMap;

use roxmltree::Node;

use super::super::flow;
use crate::extract::xml::{attribute, child, children, number};

/// Styles that a style is based on, one on the other.
const MAX_BASES: usize = 20;

/// What a style says itself.
#[derive(Default)]
struct Style<'a> {
    name: String,
    base: Option<&'a str>,
    outline: Option<i64>,
    numbering: Option<(Option<&'a str>, Option<i64>)>,
    hidden: Option<bool>,
    typeface: Option<&'a str>,
}

/// What a paragraph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Title,
    Heading(u8),
    Code,
    /// A line of the table of contents.
    Contents,
    Body,
}

/// The styles of a document, by their ids.
#[derive(Default)]
pub(super) struct Styles<'a> {
    styles: HashMap<&'a str, Style<'a>>,
    /// The style of paragraphs that name none.
    paragraph: Option<&'a str>,
}

impl<'a> Styles<'a> {
    pub(super) fn of(root: Node<'a, 'a>) -> Self {
        let mut all = Self::default();
        for node in children(root, "style") {
            let Some(id) = attribute(node, "styleId") else {
                continue;
            };
            let is_default = attribute(node, "default").is_some_and(is_on);
            if is_default && attribute(node, "type") == Some("paragraph") {
                all.paragraph = Some(id);
            }
            let value = |named| child(node, named).and_then(|node| attribute(node, "val"));
            let paragraph = child(node, "pPr");
            let outline = paragraph.and_then(|properties| number(child(properties, "outlineLvl")?, "val"));
            let runs = child(node, "rPr");
            all.styles.insert(
                id,
                Style {
                    name: value("name").unwrap_or_default().to_lowercase(),
                    base: value("basedOn"),
                    outline,
                    numbering: paragraph.and_then(numbering),
                    hidden: runs.and_then(hidden),
                    typeface: runs.and_then(typeface),
                },
            );
        }
        all
    }

    /// The style `id` and what it is based on.
    fn bases(&self, id: Option<&str>) -> impl Iterator<Item = &Style<'a>> {
        let first = id.or(self.paragraph).and_then(|id| self.styles.get(id));
        let next = |style: &&Style<'a>| style.base.and_then(|base| self.styles.get(base));
        std::iter::successors(first, next).take(MAX_BASES)
    }

    /// What a paragraph with these properties is.
    pub(super) fn role(&self, properties: Option<Node<'a, 'a>>) -> Role {
        let id = style(properties);
        let name = self.bases(id).next().map_or("", |style| style.name.as_str());
        if name.starts_with("toc ") || name == "table of figures" {
            return Role::Contents;
        }
        if name == "title" {
            return Role::Title;
        }
        let direct = properties.and_then(|properties| number(child(properties, "outlineLvl")?, "val"));
        let outline = direct.or_else(|| self.bases(id).find_map(|style| style.outline));
        let level = match outline {
            Some(level) => u8::try_from(level + 1)
                .ok()
                .filter(|level| (1..=9).contains(level)),
            None => self.bases(id).find_map(|style| flow::heading_of(&style.name)),
        };
        match level {
            Some(level) => Role::Heading(level),
            None if self.bases(id).any(|style| flow::is_style_of_code(&style.name)) => Role::Code,
            None => Role::Body,
        }
    }

    /// The list and level a paragraph with these properties is of.
    pub(super) fn numbering(&self, properties: Option<Node<'a, 'a>>) -> Option<(&'a str, usize)> {
        let direct = properties.and_then(numbering);
        let styled = || self.bases(style(properties)).filter_map(|style| style.numbering);
        let list = direct
            .and_then(|(list, _)| list)
            .or_else(|| styled().find_map(|(list, _)| list))?;
        let level = direct
            .and_then(|(_, level)| level)
            .or_else(|| styled().find_map(|(_, level)| level));
        // Zero takes a paragraph out of the list of its style.
        (list != "0").then(|| (list, usize::try_from(level.unwrap_or(0)).unwrap_or(0).min(8)))
    }

    /// Whether a run with these properties, in a paragraph with those, is not to be seen.
    pub(super) fn is_hidden(&self, run: Option<Node<'a, 'a>>, paragraph: Option<Node<'a, 'a>>) -> bool {
        let styled = |id: Option<&str>| self.bases(id).find_map(|style| style.hidden);
        let of_run = run.and_then(|run| attribute(child(run, "rStyle")?, "val"));
        run.and_then(hidden)
            .or_else(|| of_run.and_then(|id| styled(Some(id))))
            .or_else(|| styled(style(paragraph)))
            .unwrap_or(false)
    }

    /// Whether a run with these properties is set in letters of one width.
    pub(super) fn is_monospaced(&self, run: Option<Node<'a, 'a>>) -> bool {
        let of_run = run.and_then(|run| attribute(child(run, "rStyle")?, "val"));
        let styled = || self.bases(of_run).find_map(|style| style.typeface);
        let face = run.and_then(typeface).or_else(|| of_run.and_then(|_| styled()));
        face.is_some_and(flow::is_monospaced)
    }
}

/// The style that properties name.
fn style<'a>(properties: Option<Node<'a, 'a>>) -> Option<&'a str> {
    attribute(child(properties?, "pStyle")?, "val")
}

fn numbering<'a>(properties: Node<'a, 'a>) -> Option<(Option<&'a str>, Option<i64>)> {
    let list = child(properties, "numPr")?;
    let id = child(list, "numId").and_then(|id| attribute(id, "val"));
    Some((id, child(list, "ilvl").and_then(|level| number(level, "val"))))
}

fn hidden(properties: Node<'_, '_>) -> Option<bool> {
    child(properties, "vanish").map(|vanish| attribute(vanish, "val").is_none_or(is_on))
}

fn typeface<'a>(properties: Node<'a, 'a>) -> Option<&'a str> {
    attribute(child(properties, "rFonts")?, "ascii")
}

/// Whether a switch of this value is on.
pub(super) fn is_on(value: &str) -> bool {
    !matches!(value, "0" | "false" | "off")
}
