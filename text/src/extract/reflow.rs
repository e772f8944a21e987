//! From the lines of a printed page to the paragraphs its author wrote.
//!
//! A PDF stores positioned glyphs; the renderer recovers lines. Citations are shown to people and sentences are
//! ranked whole, so lines are joined again: hyphenation undone, ligatures taken apart, breaks kept only where a
//! paragraph, heading or list item seems to end.

/// A line shorter than this share of the page's longest probably ends its paragraph.
const SHORT: f64 = 0.7;

/// Joins the lines of `page` into paragraphs, one per line, separated by a blank line.
pub(super) fn paragraphs(page: &str) -> String {
    let page = without_ligatures(page);
    let mut lines: Vec<String> = page.lines().map(tidy).collect();
    drop_page_number(&mut lines);
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut text = String::with_capacity(page.len());
    // The line before, and whether blank lines followed it.
    let mut previous: Option<&str> = None;
    let mut gap = false;
    for line in &lines {
        if line.is_empty() {
            gap = true;
            continue;
        }
        match previous {
            None => {}
            Some(previous) if breaks(previous, line, gap, longest) => text.push_str("\n\n"),
            Some(_) if hyphenated(&text, line) => text.truncate(text.len() - 1),
            Some(_) => text.push(' '),
        }
        text.push_str(line);
        previous = Some(line);
        gap = false;
    }
    text
}

/// `line` with single blanks, and with the dots that lead to a page number in a table of contents as one `…`.
fn tidy(line: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    let mut dots = 0;
    for word in line.split_whitespace() {
        let is_leader = word.bytes().all(|byte| byte == b'.');
        dots = if is_leader { dots + word.len() } else { 0 };
        if is_leader && dots > 3 {
            let leads = |word: &mut &str| word.starts_with('.') || *word == "…";
            while words.pop_if(leads).is_some() {}
            words.push("…");
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

/// Empties the first or last written line if it is no more than a number: the anchor already knows the page.
fn drop_page_number(lines: &mut [String]) {
    let is_number = |line: &str| line.len() <= 4 && line.bytes().all(|byte| byte.is_ascii_digit());
    let written = |line: &&mut String| !line.is_empty();
    if let Some(line) = lines.iter_mut().find(written).filter(|line| is_number(line)) {
        line.clear();
    }
    if let Some(line) = lines.iter_mut().rfind(written).filter(|line| is_number(line)) {
        line.clear();
    }
}

/// Whether `line` begins a paragraph after `previous`.
fn breaks(previous: &str, line: &str, gap: bool, longest: usize) -> bool {
    let ended = previous.ends_with(['.', '!', '?', ':', '…', '。', '！', '？', '”', '"']);
    let short = (previous.chars().count() as f64) < SHORT * longest as f64;
    let small = line.starts_with(char::is_lowercase);
    if is_item(line) {
        return true;
    }
    // Wide line spacing puts a gap after every line: a sentence that goes on in small letters bridges it.
    if gap { ended || !small } else { short && !small }
}

/// Whether `line` begins like a list item.
fn is_item(line: &str) -> bool {
    let Some((mark, rest)) = line.split_once(' ') else {
        return false;
    };
    let number = mark
        .strip_suffix(['.', ')'])
        .is_some_and(|n| n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()) && !n.is_empty());
    !rest.is_empty() && (number || matches!(mark, "•" | "◦" | "▪" | "–" | "-" | "*" | "·" | "‣"))
}

/// Whether `text` ends in a word cut by a hyphen that `line` completes.
fn hyphenated(text: &str, line: &str) -> bool {
    text.strip_suffix('-')
        .is_some_and(|stem| stem.ends_with(char::is_alphabetic))
        && line.starts_with(char::is_lowercase)
}

/// Takes typographic ligatures apart and drops soft hyphens, so that words can be searched.
fn without_ligatures(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for c in page.chars() {
        match c {
            '\u{fb00}' => text.push_str("ff"),
            '\u{fb01}' => text.push_str("fi"),
            '\u{fb02}' => text.push_str("fl"),
            '\u{fb03}' => text.push_str("ffi"),
            '\u{fb04}' => text.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => text.push_str("st"),
            '\u{ad}' => {}
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_paragraphs() {
        let page = "\n\nOwnership\nEach value in Rust has an owner, and only one owner at a\n\
time; when it goes out of scope, the value is drop-\nped. The e\u{fb03}cient way.\n\nA new paragraph follows here after a gap that\n\n\
is only wide spacing.\n\n• first item\n• second item\n2) third";
        assert_eq!(
            paragraphs(page),
            "Ownership\n\nEach value in Rust has an owner, and only one owner at a time; when it goes out of scope, the value is \
dropped. The efficient way.\n\nA new paragraph follows here after a gap that is only wide spacing.\n\n\
• first item\n\n• second item\n\n2) third"
        );
    }

    #[test]
    fn leaders_and_page_numbers_go() {
        assert_eq!(
            paragraphs("12\n2.1 Syntax. . . . . . 4\nWait ... what\n\n13"),
            "2.1 Syntax. … 4 Wait ... what"
        );
        assert_eq!(paragraphs("\n7\n"), "");
    }

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(paragraphs(" \n\n \n"), "");
    }
}
