//! What of a page is to be seen, by its attributes and styles.

use scraper::{ElementRef, Html, Selector};

/// A property that can hide an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Property {
    Display,
    Visibility,
    Opacity,
    FontSize,
    Place,
}

const PROPERTIES: [Property; 5] = [
    Property::Display,
    Property::Visibility,
    Property::Opacity,
    Property::FontSize,
    Property::Place,
];

/// A declaration that hides an element, or shows what another hides.
#[derive(Clone, Copy)]
struct Declaration {
    property: Property,
    hides: bool,
    important: bool,
}

/// A declaration of a stylesheet.
struct Rule {
    selector: Selector,
    declaration: Declaration,
    /// How closely the selector describes an element.
    specificity: usize,
}

/// The rules of a page's own stylesheets that hide or show, by ascending weight.
pub(super) struct Visibility(Vec<Rule>);

impl Visibility {
    /// The rules of `html` and those of the stylesheets `linked` to it, which come before.
    pub(super) fn of(html: &Html, linked: &str) -> Self {
        let mut rules = Vec::new();
        read(&without_comments(linked), &mut rules);
        for node in html.tree.nodes() {
            let style = ElementRef::wrap(node).filter(|element| element.value().name() == "style");
            if let Some(style) = style {
                read(&without_comments(&style.text().collect::<String>()), &mut rules);
            }
        }
        // Stable: of two that weigh the same the later one counts.
        rules.sort_by_key(|rule| (rule.declaration.important, rule.specificity));
        Self(rules)
    }

    /// Whether `element` is to be seen, if what it stands in is.
    pub(super) fn shows(&self, element: ElementRef<'_>) -> bool {
        let value = element.value();
        let hidden = value
            .attr("hidden")
            .is_some_and(|state| !state.eq_ignore_ascii_case("until-found"));
        if hidden || (value.name() == "dialog" && value.attr("open").is_none()) {
            return false;
        }
        let inline: Vec<Declaration> = value
            .attr("style")
            .map(|style| declarations(style).collect())
            .unwrap_or_default();
        if inline.is_empty() && self.0.is_empty() {
            return true;
        }
        let matching = self.0.iter().filter(|rule| rule.selector.matches(&element));
        let sheet: Vec<Declaration> = matching.map(|rule| rule.declaration).collect();
        !PROPERTIES.iter().any(|property| {
            let of = |from: &[Declaration], important: bool| {
                let found = from
                    .iter()
                    .rev()
                    .find(|d| d.property == *property && d.important == important);
                found.map(|declaration| declaration.hides)
            };
            let ordered = [
                of(&inline, true),
                of(&sheet, true),
                of(&inline, false),
                of(&sheet, false),
            ];
            ordered.into_iter().flatten().next().unwrap_or(false)
        })
    }
}

/// Reads the rules of `css`, those for printers and the like left out.
fn read(css: &str, rules: &mut Vec<Rule>) {
    let mut rest = css;
    while let Some(open) = rest.find('{') {
        let prelude = rest[..open].rsplit([';', '}']).next().unwrap_or_default().trim();
        let body = block(&rest[open + 1..]);
        rest = rest[open + 1 + body.len()..]
            .strip_prefix('}')
            .unwrap_or_default();
        if let Some(query) = prelude.strip_prefix("@media") {
            if matches!(query.trim(), "screen" | "all") {
                read(body, rules);
            }
        } else if !prelude.starts_with('@') {
            let found: Vec<Declaration> = declarations(body).collect();
            for part in prelude.split(',').filter(|_| !found.is_empty()) {
                let Ok(selector) = Selector::parse(part) else {
                    continue;
                };
                rules.extend(found.iter().map(|declaration| Rule {
                    selector: selector.clone(),
                    declaration: *declaration,
                    specificity: specificity(part),
                }));
            }
        }
    }
}

/// The part of `css` up to the brace that closes the block it begins in.
fn block(css: &str) -> &str {
    let mut depth = 0_usize;
    for (at, c) in css.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return &css[..at],
            '}' => depth -= 1,
            _ => {}
        }
    }
    css
}

/// Ids count more than classes, and those more than names.
fn specificity(selector: &str) -> usize {
    let count = |signs: &[char]| selector.matches(signs).count();
    let names = selector
        .split([' ', '>', '+', '~'])
        .filter(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()));
    count(&['#']) * 10_000 + count(&['.', '[', ':']) * 100 + names.count()
}

/// The declarations of `style` that hide or show.
fn declarations(style: &str) -> impl Iterator<Item = Declaration> + '_ {
    style.split(';').filter_map(|declaration| {
        let (name, value) = declaration.split_once(':')?;
        let value = value.trim().to_ascii_lowercase();
        let plain = value.trim_end_matches("important").trim_end_matches(['!', ' ']);
        let number = || {
            let end = plain.find(|c: char| !(c.is_ascii_digit() || "-.".contains(c)));
            plain[..end.unwrap_or(plain.len())].parse::<f64>().ok()
        };
        let (property, hides) = match &*name.trim().to_ascii_lowercase() {
            "display" => (Property::Display, plain == "none"),
            "visibility" => (Property::Visibility, matches!(plain, "hidden" | "collapse")),
            "opacity" => (Property::Opacity, number() == Some(0.0)),
            "font-size" => (Property::FontSize, number() == Some(0.0)),
            // Far outside of the page, as what is there for search engines.
            "left" | "top" | "text-indent" => (Property::Place, number().is_some_and(|far| far <= -999.0)),
            _ => return None,
        };
        Some(Declaration {
            property,
            hides,
            important: value.ends_with("important"),
        })
    })
}

fn without_comments(css: &str) -> String {
    let mut parts = css.split("/*");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + part.split_once("*/").map_or("", |(_, rest)| rest)
    })
}
