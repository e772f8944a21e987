//! Formulas, in which `*`, `_`, `|` and `\` mean something else than in Markdown.

/// Stand around the number of a formula while the text around it is read: private-use characters, which the source
/// loses first.
const OPEN: char = '\u{f8f1}';
const CLOSE: char = '\u{f8f2}';

/// Bytes of a formula. What is longer is two signs that have nothing to do with each other.
const MAX_FORMULA: usize = 4000;

/// The formulas of a text, by their numbers.
pub(super) struct Formulas(Vec<String>);

impl Formulas {
    /// Takes the formulas out of `source`. It does not matter if something else is taken for one: it is put back as
    /// it was.
    pub(super) fn protect(source: &str) -> (Self, String) {
        let mut formulas = Vec::new();
        let mut text = String::with_capacity(source.len());
        let source = source.replace([OPEN, CLOSE], "");
        let mut rest = source.as_str();
        while let Some(at) = rest.find(['$', '\\']) {
            let before = rest[..at]
                .chars()
                .next_back()
                .or_else(|| text.chars().next_back());
            text.push_str(&rest[..at]);
            rest = &rest[at..];
            let length = length(before, rest);
            if length > 0 {
                text.extend([OPEN.to_string(), formulas.len().to_string(), CLOSE.to_string()]);
                formulas.push(rest[..length].to_owned());
                rest = &rest[length..];
                continue;
            }
            // An escaped sign opens nothing.
            let skipped = rest
                .chars()
                .take(if rest.starts_with('\\') { 2 } else { 1 })
                .map(char::len_utf8)
                .sum();
            text.push_str(&rest[..skipped]);
            rest = &rest[skipped..];
        }
        text.push_str(rest);
        (Self(formulas), text)
    }

    /// Puts the formulas back into `html`.
    pub(super) fn restore(&self, html: &str) -> String {
        let mut parts = html.split(OPEN);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (number, rest) = part.split_once(CLOSE).unwrap_or(("", part));
            let formula = number.parse::<usize>().ok().and_then(|number| self.0.get(number));
            text.push_str(&html_escape::encode_safe(formula.map_or("", |formula| formula)));
            text.push_str(rest);
        }
        text
    }
}

/// Bytes of the formula `text` begins with; 0 if it begins with none.
fn length(before: Option<char>, text: &str) -> usize {
    let closed = |open: &str, close: &str| {
        let inside = text.strip_prefix(open)?;
        let window = &inside[..inside.floor_char_boundary(MAX_FORMULA)];
        let end = window.find(close)?;
        is_formula(&window[..end]).then_some(open.len() + end + close.len())
    };
    let environment = || {
        let name = text.strip_prefix(r"\begin{")?.split_once('}')?.0;
        closed(r"\begin{", &format!(r"\end{{{name}}}"))
    };
    let found = match text.as_bytes() {
        [b'$', b'$', ..] => closed("$$", "$$"),
        [b'$', ..] => dollars(before, text),
        [b'\\', b'(', ..] => closed(r"\(", r"\)"),
        [b'\\', b'[', ..] => closed(r"\[", r"\]"),
        [b'\\', b'b', ..] => environment(),
        _ => None,
    };
    found.unwrap_or(0)
}

/// A formula between single dollars, told from prices and variables: no blank inside the signs, and nothing that
/// goes on outside.
fn dollars(before: Option<char>, text: &str) -> Option<usize> {
    let inside = &text[1..];
    let first = inside.chars().next()?;
    if first.is_whitespace() || before.is_some_and(char::is_alphanumeric) {
        return None;
    }
    let window = &inside[..inside.floor_char_boundary(MAX_FORMULA)];
    let mut escaped = false;
    let end = window.char_indices().find_map(|(at, c)| {
        let closes = c == '$' && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })?;
    let after = inside[end + 1..].chars().next();
    let ended = !inside[..end].ends_with(char::is_whitespace) && !after.is_some_and(char::is_alphanumeric);
    (ended && is_formula(&inside[..end])).then_some(end + 2)
}

/// Whether a formula may hold `inside`: code and paragraphs end before it does.
fn is_formula(inside: &str) -> bool {
    !inside.trim().is_empty() && !inside.contains('`') && !inside.contains("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<String> {
        Formulas::protect(source).0.0
    }

    #[test]
    fn prices_variables_and_code_are_no_formulas() {
        for text in [
            "$5 and $6",
            "|$5|$6|",
            "$PATH:$HOME/bin",
            r"\$a\$ b",
            "`$a` and `b$`",
            "a$b$",
            "$ x $",
            "$a\n\nb$",
            r"\( a",
            "$",
        ] {
            assert_eq!(found(text), Vec::<String>::new(), "{text}");
        }
        assert_eq!(found(r"$a\$b$, \\(c) and ($d$)"), [r"$a\$b$", "$d$"]);
    }

    #[test]
    fn what_is_taken_out_comes_back() {
        let (formulas, text) = Formulas::protect("a $x<y$ \u{f8f1}7\u{f8f2} b");
        assert_eq!(formulas.restore(&text), "a $x&lt;y$ 7 b");
    }
}
