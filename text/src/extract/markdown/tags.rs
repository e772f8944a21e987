//! Which of the tags in a Markdown text are HTML, and which are `<placeholders>`.

use std::collections::HashMap;

/// Elements that have no end.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// Of those, what is written without attributes.
const BARE: [&str; 4] = ["br", "hr", "img", "wbr"];

/// Elements whose end may be left out.
const OPEN_ENDED: [&str; 14] = [
    "body", "colgroup", "dd", "dt", "head", "html", "li", "p", "tbody", "td", "tfoot", "th", "thead", "tr",
];

/// The other elements of HTML, with those of old pages, and the outermost of pictures and formulas.
#[rustfmt::skip]
const OTHERS: [&str; 96] = [
    "a", "abbr", "acronym", "address", "article", "aside", "audio", "b", "bdi", "bdo", "big", "blockquote", "button",
    "canvas", "caption", "center", "cite", "code", "data", "datalist", "del", "details", "dfn", "dialog", "dir", "div", "dl",
    "em", "fieldset", "figcaption", "figure", "font", "footer", "form", "frameset", "h1", "h2", "h3", "h4", "h5", "h6",
    "header", "hgroup", "i", "iframe", "ins", "kbd", "label", "legend", "main", "map", "mark", "math", "menu", "meter", "nav",
    "noframes", "noscript", "object", "ol", "optgroup", "option", "output", "picture", "pre", "progress", "q", "rp", "rt",
    "ruby", "s", "samp", "script", "search", "section", "select", "slot", "small", "span", "strike", "strong", "style", "sub",
    "summary", "sup", "svg", "table", "template", "textarea", "time", "title", "tt", "u", "ul", "var", "video",
];

/// The tags of one text.
pub(super) struct Tags {
    source: String,
    /// Whether the text closes an element of this name.
    closed: HashMap<String, bool>,
    /// Whether it has pictures or formulas in it, whose elements have names of their own.
    has_drawings: bool,
}

impl Tags {
    pub(super) fn of(source: &str) -> Self {
        let source = source.to_ascii_lowercase();
        Self {
            has_drawings: source.contains("</svg") || source.contains("</math"),
            closed: HashMap::new(),
            source,
        }
    }

    /// `html` with what is no tag as text.
    pub(super) fn only_real(&mut self, html: &str) -> String {
        let mut text = String::with_capacity(html.len());
        let mut rest = html;
        while let Some(at) = rest.find('<') {
            text.push_str(&rest[..at]);
            rest = &rest[at + 1..];
            text.push_str(if self.is_real(rest) { "<" } else { "&lt;" });
        }
        text.push_str(rest);
        text
    }

    /// Whether `tag`, what follows a `<`, is a comment, a declaration, or the tag of an element.
    fn is_real(&mut self, tag: &str) -> bool {
        let (name, is_end) = match tag.strip_prefix('/') {
            Some(name) => (name, true),
            None => (tag, false),
        };
        let length = name
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .unwrap_or(name.len());
        let has_attributes = name[length..].starts_with(|c: char| c.is_ascii_whitespace() || c == '/');
        let name = name[..length].to_ascii_lowercase();
        let is = |names: &[&str]| names.contains(&name.as_str());
        if name.is_empty() {
            return tag.starts_with(['!', '?']);
        }
        if is(&VOID) {
            return has_attributes || is(&BARE);
        }
        if is(&OPEN_ENDED) || self.has_drawings {
            return true;
        }
        // An element of one's own has a hyphen.
        (is(&OTHERS) || name.contains('-')) && (is_end || self.closes(&name))
    }

    fn closes(&mut self, name: &str) -> bool {
        let source = &self.source;
        let find = || {
            source.match_indices(&format!("</{name}")).any(|(at, end)| {
                let next = source[at + end.len()..].chars().next();
                next.is_none_or(|c| c == '>' || c.is_ascii_whitespace())
            })
        };
        *self.closed.entry(name.to_owned()).or_insert_with(find)
    }
}
