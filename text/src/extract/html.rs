//! HTML to readable text: what a browser shows, and nothing else.

mod page;
mod table;
mod visibility;
mod writer;

use ego_tree::{NodeRef, iter::Edge};
use scraper::{ElementRef, Html, Node, node::Element};

use crate::Document;
pub(super) use page::Page;
use visibility::Visibility;
use writer::{Gap, Writer};

/// Extracts `source`: links become their text, rows of tables lines with their cells apart, formulas their TeX,
/// headings anchors.
pub(super) fn extract(source: &str) -> Document {
    text(&Html::parse_document(source), "", None)
}

/// `source`, a part of a page, with everything closed that it leaves open.
pub(super) fn whole(source: &str) -> String {
    Html::parse_fragment(source).root_element().inner_html()
}

/// The text of a page that has `styles` besides its own, under the heading `title` if that is given.
fn text(html: &Html, styles: &str, title: Option<&str>) -> Document {
    let visibility = Visibility::of(html, styles);
    let mut writer = Writer::default();
    if let Some(title) = title {
        writer.open_heading(1);
        writer.text(title);
        writer.close_heading();
    }
    walk(html.tree.root(), &visibility, &mut writer);
    writer.finish()
}

/// Writes what is visible below `root`. No recursion: documents nest as deep as their authors like.
fn walk(root: NodeRef<'_, Node>, visibility: &Visibility, writer: &mut Writer) {
    let mut skipped = None;
    for edge in root.traverse() {
        match edge {
            _ if skipped.is_some() => {
                if matches!(edge, Edge::Close(node) if Some(node.id()) == skipped) {
                    skipped = None;
                }
            }
            Edge::Open(node) => match node.value() {
                Node::Text(text) => writer.text(text),
                Node::Element(element) => {
                    let shown = ElementRef::wrap(node).is_none_or(|element| visibility.shows(element));
                    let whole = !shown || instead(node, element, visibility, writer);
                    if whole {
                        skipped = Some(node.id());
                    } else {
                        open(element, writer);
                    }
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    close(element, writer);
                }
            }
        }
    }
}

/// Writes what stands for a whole element, if its content is not simply written.
fn instead(node: NodeRef<'_, Node>, element: &Element, visibility: &Visibility, writer: &mut Writer) -> bool {
    match element.name() {
        "table" if !table::is_layout(node, element) => {
            writer.gap(Gap::Block);
            table::write(
                node,
                writer,
                &mut |cell| {
                    let mut inner = Writer::default();
                    walk(cell, visibility, &mut inner);
                    inner
                        .finish()
                        .text
                        .split_whitespace()
                        .collect::<Vec<_>>()
                        .join(" ")
                },
                &|node| ElementRef::wrap(node).is_none_or(|element| visibility.shows(element)),
            );
            writer.gap(Gap::Block);
            true
        }
        "math" => tex_of(node)
            .inspect(|tex| writer.text(&format!("${tex}$")))
            .is_some(),
        // Formulas for MathJax, which shows them in place of the script.
        "script"
            if element
                .attr("type")
                .is_some_and(|kind| kind.starts_with("math/tex")) =>
        {
            writer.text(&format!("${}$", text_of(node)));
            true
        }
        // The same formula again, glyph by glyph.
        "span" if element.has_class("katex-html", scraper::CaseSensitivity::CaseSensitive) => {
            has_formula(node)
        }
        name => NEVER_SHOWN.contains(&name),
    }
}

/// Elements whose content no reader of the page sees.
const NEVER_SHOWN: [&str; 18] = [
    "audio", "canvas", "datalist", "defs", "desc", "head", "iframe", "metadata", "noembed", "noframes",
    "noscript", "rp", "rt", "script", "style", "template", "title", "video",
];

/// The TeX a formula in MathML was made of.
fn tex_of(math: NodeRef<'_, Node>) -> Option<String> {
    let annotation = math.descendants().find(|node| {
        let element = node.value().as_element();
        element.is_some_and(|e| e.name() == "annotation" && e.attr("encoding") == Some("application/x-tex"))
    })?;
    Some(text_of(annotation).trim().to_owned())
}

/// Whether the formula that `glyphs` draws stands beside it as MathML with its TeX.
fn has_formula(glyphs: NodeRef<'_, Node>) -> bool {
    glyphs.prev_siblings().any(|node| tex_of(node).is_some())
}

/// All text below `node`.
fn text_of(node: NodeRef<'_, Node>) -> String {
    node.descendants()
        .filter_map(|node| node.value().as_text())
        .map(|text| &**text)
        .collect()
}

fn open(element: &Element, writer: &mut Writer) {
    match element.name() {
        name @ ("h1" | "h2" | "h3" | "h4" | "h5" | "h6") => writer.open_heading(name.as_bytes()[1] - b'0'),
        "pre" => writer.open_pre(),
        "ul" | "menu" => writer.open_list(None),
        "ol" => writer.open_list(Some(
            element.attr("start").and_then(|n| n.parse().ok()).unwrap_or(1),
        )),
        "li" => writer.item(),
        "br" => writer.line_break(),
        "img" => writer.text(element.attr("alt").unwrap_or_default()),
        "input" if element.attr("type") == Some("checkbox") => {
            writer.text(if element.attr("checked").is_some() {
                "[x] "
            } else {
                "[ ] "
            });
        }
        "sup" => writer.superscript(),
        name => writer.gap(gap(name)),
    }
}

fn close(element: &Element, writer: &mut Writer) {
    match element.name() {
        "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => writer.close_heading(),
        "pre" => writer.close_pre(),
        "ul" | "ol" | "menu" => writer.close_list(),
        "li" => writer.gap(Gap::Line),
        name => writer.gap(gap(name)),
    }
}

/// How far an element is from what stands before and after it.
fn gap(name: &str) -> Gap {
    match name {
        "article" | "aside" | "blockquote" | "body" | "dl" | "fieldset" | "figure" | "footer" | "form"
        | "header" | "hr" | "main" | "nav" | "p" | "section" | "table" => Gap::Block,
        "address" | "caption" | "center" | "dd" | "details" | "dialog" | "div" | "dt" | "figcaption"
        | "hgroup" | "legend" | "summary" | "td" | "text" | "th" | "tr" => Gap::Line,
        "option" | "button" | "textarea" | "select" => Gap::Space,
        _ => Gap::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str) -> String {
        extract(source).text
    }

    #[test]
    fn text_lists_and_headings() {
        let source = "<html><head><title>t</title><style>p{}</style></head><body><h1>Owner<em>ship</em></h1>\
<p>Each value has an <a href='https://example.org'>owner</a>\n and <b>one</b> scope&nbsp;&amp; more.</p>\
<h2>Rules</h2><ol><li>First</li><li>Second<ul><li>inner</ul></ol><pre>let x = 1;\n  let y;\n</pre>\
<table><tr><td>a</td><td>b</td></tr></table><script>alert(1)</script></body></html>";
        let document = extract(source);
        assert_eq!(
            document.text,
            "Ownership\n\nEach value has an owner and one scope\u{a0}& more.\n\nRules\n\n1. First\n2. Second\n  - inner\n\n\
let x = 1;\n  let y;\n\na | b"
        );
        let path = |anchor: &crate::Anchor| (anchor.start, anchor.heading_path.join("/"));
        let paths: Vec<_> = document.anchors.iter().map(path).collect();
        let rules = document.text.find("Rules").unwrap();
        assert_eq!(
            paths,
            [(0, "Ownership".to_owned()), (rules, "Ownership/Rules".to_owned())]
        );
    }

    #[test]
    fn what_is_not_shown_is_not_text() {
        let source = "<style>.k, #gone em { display : none }  /* .shown{display:none} */ @media print { p { display:none } }\
 .tab{display:none} .tab.open{display:block}</style>\
<p>shown</p><div hidden>a1</div><p style='DISPLAY: None !important'>a2</p><div class='k x'>a3</div><template><p>a4</template>\
<noscript>a5</noscript><script>a6</script><!-- a7 --><div id=gone>seen <em>a8</em></div><p style='visibility:hidden'>a9</p>\
<dialog>a10</dialog><div style='position:absolute;left:-9999px'>a11</div><span style='opacity:0'>a12</span>\
<div class=tab>a13</div><div class='tab open'>open</div><div hidden=until-found>found</div>\
<details><summary>More</summary>inside</details><iframe>a14</iframe><input type=hidden value=a15><p style='color:red'>red</p>";
        assert_eq!(text(source), "shown\n\nseen\nopen\nfound\nMore\ninside\n\nred");
    }

    #[test]
    fn rows_of_tables_are_lines() {
        let source = "<table><caption>Solvents</caption><thead><tr><th>Solvent<th>Boiling point</thead>\
<tr><td>Ethanol<td><p>78 °C</p><tr><td rowspan=2>Water<td>100<br>°C<tr><td>373 K<tr hidden><td>x<td>y</table>\
<table role=presentation><tr><td><h2>Left</h2>one<td>two</table>";
        assert_eq!(
            text(source),
            "Solvents\n\nSolvent | Boiling point\nEthanol | 78 °C\nWater | 100 °C\nWater | 373 K\n\nLeft\n\none\ntwo"
        );
    }

    #[test]
    fn a_long_table_says_its_header_again() {
        let rows: String = (0..60)
            .map(|n| format!("<tr><td>row {n}<td>some value {n}"))
            .collect();
        let text = text(&format!("<table><tr><th>Name<th>Value</tr>{rows}</table>"));
        let headers = text.lines().filter(|line| *line == "Name | Value").count();
        assert!((3..8).contains(&headers), "{text}");
    }

    #[test]
    fn formulas_are_their_tex() {
        let katex = "<p>So <span class=katex><span class=katex-mathml><math><semantics><mi>x</mi><annotation encoding='application/x-tex'>x^2_{i}</annotation></semantics></math></span>\
<span class=katex-html aria-hidden=true>x2i</span></span> holds, and 10<sup>3</sup> m<sup>2</sup> <script type='math/tex'>a*b</script>.</p>";
        assert_eq!(text(katex), "So $x^2_{i}$ holds, and 10^3 m2 $a*b$.");
    }

    #[test]
    fn lines_words_and_references() {
        assert_eq!(
            text("<p>First line<br>second  line</p>Flow &ndash; m&sup3;&#47;h<span>a</span><div>b</div>"),
            "First line\nsecond line\n\nFlow – m³/ha\nb"
        );
        assert_eq!(
            text("<ul><li><p>one</p><p>more</p></li><li><input type=checkbox checked> done</li></ul>after"),
            "- one\n\nmore\n- [x] done\n\nafter"
        );
    }

    #[test]
    fn hyphens_that_are_not_drawn_are_no_text() {
        assert_eq!(text("<p>Fuß&shy;gänger&#1;</p>"), "Fußgänger");
    }

    #[test]
    fn long_paragraphs_are_not_wrapped() {
        let words = "word ".repeat(5000);
        assert_eq!(text(&format!("<p>{words}</p>")), words.trim_end());
    }

    #[test]
    fn deep_nesting_is_read() {
        let depth = 3000;
        let source = format!(
            "{}x{}",
            "<div><span>".repeat(depth),
            "</span></div>".repeat(depth)
        );
        assert_eq!(text(&source), "x");
    }
}
