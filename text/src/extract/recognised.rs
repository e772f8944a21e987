//! What was recognised in pictures: lines back to paragraphs.

use super::is_readable;
use crate::Document;

/// Extracts `source`, whose pages are apart by form feeds. Lines become paragraphs again, words that were divided at the
/// end of a line are whole. Of a single page there is no number.
pub(super) fn extract(source: &str) -> Document {
    let pages: Vec<&str> = source
        .trim_end_matches(['\u{c}', '\n', ' '])
        .split('\u{c}')
        .collect();
    let mut document = Document::default();
    for (number, page) in (1_u32..).zip(&pages) {
        let text = paragraphs(page);
        let part = Document {
            text,
            ..Document::default()
        };
        document.append(part, (pages.len() > 1).then_some(number));
    }
    document
}

fn paragraphs(page: &str) -> String {
    let mut text = String::new();
    // Whether a blank line came before.
    let mut apart = true;
    for line in page.lines() {
        let line: String = line.trim().chars().filter(|c| is_readable(*c)).collect();
        if line.is_empty() {
            apart = true;
            continue;
        }
        let divided = text
            .strip_suffix(['-', '‐'])
            .filter(|before| before.ends_with(char::is_alphabetic) && line.starts_with(char::is_lowercase));
        match divided {
            _ if text.is_empty() => {}
            _ if apart => text.push_str("\n\n"),
            _ if is_item(&line) => text.push('\n'),
            Some(before) => text.truncate(before.len()),
            None => text.push(' '),
        }
        text.push_str(&line);
        apart = false;
    }
    text
}

/// Whether a line begins as an item of a list does.
fn is_item(line: &str) -> bool {
    let mark = line.split(' ').next().unwrap_or_default();
    let number = mark.strip_suffix(['.', ')']).unwrap_or_default();
    let is_number =
        !number.is_empty() && number.len() < 3 && number.bytes().all(|byte| byte.is_ascii_digit());
    matches!(mark, "-" | "•" | "*" | "–" | "+" | "·") || is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_paragraphs_again_and_pages_keep_their_numbers() {
        let source = "Arches press out-\nwards, and their\nabutments hold.\n\n1. One\n2. Two\n\u{c}\n\u{c}Next page.\n\u{c}";
        let document = extract(source);
        assert_eq!(
            document.text,
            "Arches press outwards, and their abutments hold.\n\n1. One\n2. Two\n\nNext page."
        );
        let pages: Vec<_> = document.anchors.iter().map(|anchor| anchor.page).collect();
        assert_eq!(pages, [Some(1), Some(2), Some(3)]);
        assert_eq!(
            document
                .anchor_at(document.text.len() - 1)
                .and_then(|anchor| anchor.page),
            Some(3)
        );
        assert_eq!(extract("One.\n\u{c}").anchors[0].page, None);
    }
}
