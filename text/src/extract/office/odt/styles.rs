//! Styles of a text of OpenDocument.

use std::collections::HashMap;

use roxmltree::Node;

use super::super::flow;
use crate::extract::xml::{attribute, child, children, name, number};

/// Styles that a style is based on, one on the other.
const MAX_BASES: usize = 20;

/// What a style says itself.
#[derive(Default)]
struct Style<'a> {
    /// The name people see.
    shown: String,
    base: Option<&'a str>,
    outline: Option<u8>,
    hidden: Option<bool>,
    raised: Option<bool>,
    typeface: Option<&'a str>,
}

/// The styles of a document: those with names, and those that were made for a place.
#[derive(Default)]
pub(super) struct Styles<'a> {
    styles: HashMap<&'a str, Style<'a>>,
    /// For each style of lists its levels: where they begin, if they are numbered.
    lists: HashMap<&'a str, Vec<Option<i64>>>,
}

impl<'a> Styles<'a> {
    pub(super) fn of(roots: impl Iterator<Item = Node<'a, 'a>>) -> Self {
        let mut all = Self::default();
        for root in roots {
            let groups = root
                .children()
                .filter(|node| matches!(name(*node), "styles" | "automatic-styles"));
            for style in groups.flat_map(|group| group.children()) {
                let Some(id) = attribute(style, "name") else {
                    continue;
                };
                match name(style) {
                    "style" => {
                        all.styles.insert(id, of_style(style));
                    }
                    "list-style" => {
                        all.lists.insert(id, levels(style));
                    }
                    _ => {}
                }
            }
        }
        all
    }

    /// The style `id` and what it is based on.
    fn bases(&self, id: &str) -> impl Iterator<Item = &Style<'a>> {
        let next = |style: &&Style<'a>| style.base.and_then(|base| self.styles.get(base));
        std::iter::successors(self.styles.get(id), next).take(MAX_BASES)
    }

    /// Whether a paragraph, a part of one or a section is to be seen.
    pub(super) fn is_shown(&self, node: Node<'_, '_>) -> bool {
        let style = attribute(node, "style-name").unwrap_or_default();
        let hidden = self.bases(style).find_map(|style| style.hidden);
        attribute(node, "display") != Some("none") && hidden != Some(true)
    }

    pub(super) fn is_raised(&self, id: &str) -> bool {
        self.bases(id).find_map(|style| style.raised) == Some(true)
    }

    /// Whether text in this style is code, by the name of the style or the letters.
    pub(super) fn is_code(&self, id: &str) -> bool {
        let mut styles = self.bases(id);
        let is_named = styles.any(|style| flow::is_style_of_code(&style.shown));
        let typeface = || self.bases(id).find_map(|style| style.typeface);
        is_named || typeface().is_some_and(flow::is_monospaced)
    }

    pub(super) fn is_title(&self, id: &str) -> bool {
        id == "Title" || self.bases(id).any(|style| style.shown == "title")
    }

    /// The level of the heading that a paragraph in this style is.
    pub(super) fn heading(&self, id: &str) -> Option<u8> {
        let of = |style: &Style<'a>| style.outline.or_else(|| flow::heading_of(&style.shown));
        self.bases(id).find_map(of)
    }

    pub(super) fn is_numbered(&self, list: &str, depth: usize) -> bool {
        self.level(list, depth).is_some()
    }

    /// The first number of a list at this depth.
    pub(super) fn start(&self, list: &str, depth: usize) -> i64 {
        self.level(list, depth).unwrap_or(1)
    }

    fn level(&self, list: &str, depth: usize) -> Option<i64> {
        self.lists.get(list)?.get(depth).copied().flatten()
    }
}

fn of_style<'a>(style: Node<'a, 'a>) -> Style<'a> {
    let of = |named| attribute(style, named);
    let runs = child(style, "text-properties");
    let run = |named| runs.and_then(|runs| attribute(runs, named));
    let shown = of("display-name").or(of("name")).unwrap_or_default();
    Style {
        shown: shown.replace("_20_", " ").to_lowercase(),
        base: of("parent-style-name"),
        outline: number(style, "default-outline-level").and_then(|level| u8::try_from(level).ok()),
        hidden: run("display").map(|display| display == "none"),
        raised: run("text-position").map(|place| place.starts_with("super")),
        typeface: run("font-name").or(run("font-family")),
    }
}

fn levels(style: Node<'_, '_>) -> Vec<Option<i64>> {
    let mut levels = Vec::new();
    for level in children(style, "list-level-style-number") {
        let place = number(level, "level").and_then(|place| usize::try_from(place).ok());
        let is_numbered = attribute(level, "num-format").is_some_and(|format| !format.is_empty());
        if let Some(place) = place.filter(|place| (1..=20).contains(place) && is_numbered) {
            if levels.len() < place {
                levels.resize(place, None);
            }
            levels[place - 1] = Some(number(level, "start-value").unwrap_or(1));
        }
    }
    levels
}
