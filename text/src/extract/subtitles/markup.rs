//! The markup of a cue.

use html_escape::decode_html_entities;

use super::super::is_readable;

/// The elements of both formats. Others, such as the `<T>` of a lecture on generics, are text.
const ELEMENTS: [&str; 18] = [
    "b", "br", "c", "div", "em", "font", "i", "lang", "p", "rt", "ruby", "s", "span", "strong", "sub", "sup",
    "u", "v",
];

/// A line without markup: tags such as `<v Speaker>`, the times of single words, SubRip's `{\an8}`, and character
/// references.
pub(super) fn readable(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['<', '{']) {
        text.push_str(&rest[..at]);
        let tail = &rest[at..];
        let close = if tail.starts_with('<') { '>' } else { '}' };
        match tail.find(close) {
            Some(end) if is_markup(&tail[1..end]) => rest = &tail[end + 1..],
            // A lone `<` or `{` is text.
            _ => {
                text.push_str(&tail[..1]);
                rest = &tail[1..];
            }
        }
    }
    text.push_str(rest);
    // The marks of a direction of writing are no part of what is said, nor is a line break of older formats.
    let text = decode_html_entities(&text)
        .replace(['\u{200e}', '\u{200f}'], "")
        .replace("\\N", " ");
    let text: String = text.chars().filter(|c| is_readable(*c)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether what stands between the signs makes them a tag.
fn is_markup(inner: &str) -> bool {
    if inner.starts_with('\\') {
        return true;
    }
    let is_time = inner.contains(':')
        && inner
            .bytes()
            .all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let name = inner
        .split(|c: char| !c.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default();
    let rest = &inner[name.len()..];
    let (name, rest) = (name.to_ascii_lowercase(), rest.trim_end_matches('/').trim_end());
    // A speaker and a language follow their names; other elements have classes or attributes.
    let fits = rest.is_empty()
        || rest.starts_with('.')
        || (rest.starts_with([' ', '\t']) && (rest.contains('=') || matches!(&*name, "v" | "lang")));
    is_time || (fits && ELEMENTS.contains(&&*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_go_and_signs_stay() {
        assert_eq!(
            readable("<00:08.5><c>Karaoke</c><00:09.0><c.x.y> tags</c> vanish, 3 < 4 stays"),
            "Karaoke tags vanish, 3 < 4 stays"
        );
        assert_eq!(
            readable("<v Dr. Vega>Vec<T> and <placeholder>, if a <b && b> a</v>"),
            "Vec<T> and <placeholder>, if a <b && b> a"
        );
        assert_eq!(
            readable("{\\an8}{\\i1}let p = { x };\\NNext"),
            "let p = { x }; Next"
        );
        assert_eq!(readable("</i><I>end</I> <"), "end <");
    }

    #[test]
    fn character_references() {
        assert_eq!(
            readable("100&nbsp;&deg;C &mdash; the sea&apos;s"),
            "100 °C — the sea's"
        );
        assert_eq!(
            readable("caf&eacute; &#x2018;fika&#x2019; o&#8217;clock"),
            "café ‘fika’ o’clock"
        );
        assert_eq!(
            readable("&amp;lt;b&amp;gt; stays &lt;b&gt;, AT&T too"),
            "&lt;b&gt; stays <b>, AT&T too"
        );
    }
}
