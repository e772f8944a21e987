//! A page of several: what it is called and links to, beside its text.

use scraper::{ElementRef, Html};

use super::text;
use crate::Document;

/// Elements without content, which end with their tag in HTML too.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// A page.
pub(in super::super) struct Page(Html);

impl Page {
    /// Parses `source`, which may be XHTML.
    pub(in super::super) fn parse(source: &str) -> Self {
        let head: String = source.chars().take(1024).collect();
        Self(match head.contains("http://www.w3.org/1999/xhtml") {
            true => Html::parse_document(&closed(source)),
            false => Html::parse_document(source),
        })
    }

    /// Its title, if it has one.
    pub(in super::super) fn title(&self) -> Option<String> {
        let title = self.all("title").next()?.text().collect::<String>();
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        (!title.is_empty()).then_some(title)
    }

    /// Whether it says itself what it is about.
    pub(in super::super) fn has_heading(&self) -> bool {
        self.all("h1").next().is_some()
    }

    /// The addresses of its stylesheets.
    pub(in super::super) fn stylesheets(&self) -> Vec<&str> {
        let links = self.all("link").filter(|link| {
            let relation = link.attr("rel").unwrap_or_default().to_ascii_lowercase();
            relation.split_whitespace().eq(["stylesheet"])
        });
        links.filter_map(|link| link.attr("href")).collect()
    }

    /// The addresses it links to, in their order.
    pub(in super::super) fn links(&self) -> Vec<&str> {
        self.all("a").filter_map(|link| link.attr("href")).collect()
    }

    /// Its text with these stylesheets, under the heading `title` if that is given.
    pub(in super::super) fn text(&self, styles: &str, title: Option<&str>) -> Document {
        text(&self.0, styles, title)
    }

    fn all(&self, named: &'static str) -> impl Iterator<Item = ElementRef<'_>> {
        let elements = self.0.tree.root().descendants().filter_map(ElementRef::wrap);
        elements.filter(move |element| element.value().name() == named)
    }
}

/// `source` with an end for each element that is closed in its own tag, as `<title/>`: in HTML that would open it.
fn closed(source: &str) -> String {
    let mut html = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(open) = rest.find('<') {
        html.push_str(&rest[..open]);
        rest = &rest[open..];
        let end = match rest {
            comment if comment.starts_with("<!--") => comment.find("-->").map(|at| at + 3),
            section if section.starts_with("<![CDATA[") => section.find("]]>").map(|at| at + 3),
            tag => end_of_tag(tag),
        };
        let (tag, after) = rest.split_at(end.unwrap_or(rest.len()));
        let name = tag[1..]
            .split(|c: char| c.is_whitespace() || c == '/' || c == '>')
            .next();
        match (tag.strip_suffix("/>"), name) {
            (Some(begin), Some(name)) if !name.is_empty() && !VOID.contains(&name) => {
                html.push_str(&format!("{begin}></{name}>"));
            }
            _ => html.push_str(tag),
        }
        rest = after;
    }
    html.push_str(rest);
    html
}

/// Where the tag that `text` begins with ends: at the first `>` that stands in no value.
fn end_of_tag(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at + 1),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xhtml_closes_is_closed() {
        let source = "<html xmlns='http://www.w3.org/1999/xhtml'><head><title/><script src='a.js'/></head>\
<body><a id='x>'/><p>One<br/>two</p><div class=\"e\"/><!-- <b/> --><p>Three</p></body></html>";
        let page = Page::parse(source);
        assert_eq!(page.text("", None).text, "One\ntwo\n\nThree");
        assert_eq!(page.title(), None);
    }

    #[test]
    fn a_page_tells_of_others() {
        let page = Page::parse(
            "<title> A\n page </title><link rel=stylesheet href=a.css><link rel='alternate stylesheet' href=b.css><a href='c.html'>c</a>",
        );
        assert_eq!(
            (page.stylesheets(), page.links()),
            (vec!["a.css"], vec!["c.html"])
        );
        assert_eq!(page.title().as_deref(), Some("A page"));
        assert_eq!(page.text("a{display:none}", Some("A page")).text, "A page");
    }
}
