//! Markdown to readable text, by way of the HTML that readers are shown.

mod formulas;
mod front_matter;
mod tags;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html::push_html};

use super::html;
use crate::{Document, ExtractError, MAX_HEADINGS};
use formulas::Formulas;
use tags::Tags;

/// Quotations and lists within each other that are told apart. Without an end they make a document that nests as
/// deep as it is long.
const MAX_NESTING: usize = 64;

/// Extracts `source`. Headings, list items, table rows and lines of code stay lines; links and images become their
/// text; front matter and what HTML in it hides are no text. Formulas and `<placeholders>` stay as they are written.
/// [`ExtractError::Limit`] for more headings than a document may have, before they are made a page of.
pub(super) fn extract(source: &str) -> Result<Document, ExtractError> {
    Ok(html::extract(&render(front_matter::without(source))?))
}

/// The HTML that readers of `source` are shown, which has no front matter. Fails as [`extract`] does.
pub(super) fn render(source: &str) -> Result<String, ExtractError> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES;
    let (formulas, source) = Formulas::protect(source);
    let mut tags = Tags::of(&source);
    let (mut nesting, mut headings) = (0_usize, 0_usize);
    let few = |event: &Event<'_>| {
        headings += usize::from(matches!(event, Event::Start(Tag::Heading { .. })));
        headings <= MAX_HEADINGS
    };
    let events = Parser::new_ext(&source, options)
        .take_while(few)
        .filter_map(|event| match event {
            Event::Start(Tag::List(_) | Tag::Item | Tag::BlockQuote(_)) => {
                nesting += 1;
                (nesting <= MAX_NESTING).then_some(event)
            }
            Event::End(TagEnd::List(_) | TagEnd::Item | TagEnd::BlockQuote(_)) => {
                nesting -= 1;
                (nesting < MAX_NESTING).then_some(event)
            }
            // The number of a note says nothing without the line at the foot of the page.
            Event::FootnoteReference(_) => None,
            Event::Start(Tag::FootnoteDefinition(_)) => Some(Event::Html("<section>".into())),
            Event::End(TagEnd::FootnoteDefinition) => Some(Event::Html("</section>\n".into())),
            Event::InlineHtml(html) => Some(Event::InlineHtml(tags.only_real(&html).into())),
            Event::Html(html) => Some(Event::Html(tags.only_real(&html).into())),
            event => Some(event),
        });
    let mut rendered = String::with_capacity(source.len() * 3 / 2);
    push_html(&mut rendered, events);
    match headings > MAX_HEADINGS {
        true => Err(ExtractError::Limit),
        false => Ok(formulas.restore(&rendered)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "---\ntitle: x\n---\n\
# Owner*ship*\n\nEach value has\nan [owner](https://example.org) and `one` scope.\n\n\
## Rules ##\n\n1. First\n2. Second\n   - nested **item**\n\n\
```rust\nlet x = 1;\n\nlet y = x;\n```\n\n\
| Type | Size |\n|---|---:|\n| u8 | 1 |\n\n<div>\n\nInside ![alt text](a.png)<br>here\n\n</div>\n\n# End\n\n- [x] done[^1]\n\n[^1]: A note.\n";

    fn text(source: &str) -> String {
        extract(source).unwrap().text
    }

    #[test]
    fn structure_survives_markup_does_not() {
        assert_eq!(
            text(SOURCE),
            "Ownership\n\nEach value has an owner and one scope.\n\nRules\n\n1. First\n2. Second\n  - nested item\n\n\
let x = 1;\n\nlet y = x;\n\nType | Size\nu8 | 1\n\nInside alt text\nhere\n\nEnd\n\n- [x] done\n\nA note."
        );
    }

    #[test]
    fn lists_within_lists_stay_linear() {
        let text = text(&("- ".repeat(20_000) + "x"));
        assert!(text.len() < 10_000 && text.ends_with("- x"));
    }

    #[test]
    fn headings_are_anchors() {
        let document = extract(SOURCE).unwrap();
        let line = |anchor: &crate::Anchor| document.text[anchor.start..].lines().next().unwrap().to_owned();
        let found: Vec<_> = document
            .anchors
            .iter()
            .map(|anchor| (anchor.heading_path.join("/"), line(anchor)))
            .collect();
        let expected = [
            ("Ownership", "Ownership"),
            ("Ownership/Rules", "Rules"),
            ("End", "End"),
        ];
        assert_eq!(
            found,
            expected.map(|(path, line)| (path.to_owned(), line.to_owned()))
        );
    }

    #[test]
    fn formulas_are_verbatim() {
        for formula in [
            "$a*b*c$ and $2*a*b + 2*b*c$",
            r"$\mathbb{Z}_{+}$ to $\mathbb{Q}_{+}$",
            r"$\{x \mid x_1 \le x_2\}$, $A \\ B$",
            r"$x^*(b) = a^*$",
            r"\(a_1 * b_1\) or \[ x < y *and* z \]",
            r"$$ \sum_{i=1}^n x_i * y_i $$",
            r"\begin{align} a &= b \\ c &= d_{1} \end{align}",
        ] {
            assert_eq!(
                text(&format!("So {formula} holds.")),
                format!("So {formula} holds.")
            );
        }
        assert_eq!(text("| a | b |\n|---|---|\n| $|x|$ | $5 |"), "a | b\n$|x|$ | $5");
        assert_eq!(
            text("It costs $5 or *at most* $10 a year."),
            "It costs $5 or at most $10 a year."
        );
        assert_eq!(text("`$a*b$` and\n\n    $c*d$"), "$a*b$ and\n\n$c*d$");
        assert_eq!(text("$$\nx_1\n= y_2\n$$"), "$$ x_1 = y_2 $$");
    }

    #[test]
    fn placeholders_are_text_and_tags_are_not() {
        assert_eq!(
            text(
                "Run `git clone <url>` or git clone <repository> <directory>, a Vec<T> or <your-name>.\n\n<name>\n\nend"
            ),
            "Run git clone <url> or git clone <repository> <directory>, a Vec<T> or <your-name>.\n\n<name>\n\nend"
        );
        assert_eq!(
            text("H<sub>2</sub>O <kbd>Ctrl</kbd> a<br/>b <x-tab>c</x-tab> cp <source> <object>"),
            "H2O Ctrl a\nb c cp <source> <object>"
        );
        assert_eq!(
            text("The <title> of <script> and <https://example.org>."),
            "The <title> of <script> and https://example.org."
        );
        assert_eq!(text("```\nfoo <bar>\n  <b>\n```"), "foo <bar>\n  <b>");
    }

    #[test]
    fn what_html_hides_is_no_text() {
        let source = "a\n\n<!-- one\n\ntwo -->\n\n<div hidden>\n\n**three**\n\n</div>\n\nb <!-- four --> c\n\n<script>\nfive\n</script>\n\n\
<style>.k{display:none}</style>\n<p class=k>six</p>\n\n<details><summary>S</summary>\n\nseven\n\n</details>";
        assert_eq!(text(source), "a\n\nb c\n\nS\n\nseven");
    }
}
