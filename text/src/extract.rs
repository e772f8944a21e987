//! From a file's bytes to readable text.

mod html;
mod markdown;
mod pdf;
mod reflow;
mod subtitles;

use crate::{Document, ExtractError, SourceKind};

/// Extracts the text of `bytes` in this process. Parsers may overflow the stack or allocate without bound on
/// hostile input: services use a [`Sandbox`](crate::Sandbox) for whatever others wrote.
///
/// # Errors
/// Every [`ExtractError`] that is a property of the file, except those only a [`Sandbox`](crate::Sandbox) can
/// observe ([`Crashed`](ExtractError::Crashed), [`TimedOut`](ExtractError::TimedOut)). [`Limit`](ExtractError::Limit)
/// for a document of too many parts.
pub fn extract(kind: SourceKind, bytes: &[u8]) -> Result<Document, ExtractError> {
    if bytes.is_empty() {
        return Err(ExtractError::Empty);
    }
    let document = match kind {
        SourceKind::Pdf => pdf::extract(bytes)?,
        SourceKind::Markdown => markdown::extract(&decode(bytes)?),
        SourceKind::PlainText => Document {
            text: decode(bytes)?.trim_end().to_owned(),
            anchors: Vec::new(),
        },
        SourceKind::Html => html::extract(&decode(bytes)?)?,
        SourceKind::WebVtt | SourceKind::Srt => subtitles::extract(&decode(bytes)?),
    };
    if document.text.trim().is_empty() {
        Err(ExtractError::NoText)
    } else if document.is_too_fine() {
        // Leaving the rest without anchors would cite it under headings it does not stand under.
        Err(ExtractError::Limit)
    } else {
        Ok(document)
    }
}

/// Decodes UTF-8, without byte order mark, with `\n` for every line ending and without control characters,
/// which neither a reader nor the database can take.
fn decode(bytes: &[u8]) -> Result<String, ExtractError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ExtractError::InvalidUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(text
        .replace("\r\n", "\n")
        .replace('\r', "\n")
        .chars()
        .filter(|c| is_readable(*c))
        .collect())
}

/// Whether `c` may stand in extracted text.
fn is_readable(c: char) -> bool {
    matches!(c, '\n' | '\t') || !c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_decoded_and_cleaned() {
        let document = extract(
            SourceKind::PlainText,
            "\u{feff}Ünder\r\nline\0 two\r\n".as_bytes(),
        )
        .unwrap();
        assert_eq!(document.text, "Ünder\nline two");
        assert!(document.anchors.is_empty());
    }

    #[test]
    fn files_without_text_say_why() {
        assert_eq!(extract(SourceKind::Markdown, b""), Err(ExtractError::Empty));
        assert_eq!(extract(SourceKind::PlainText, b" \n"), Err(ExtractError::NoText));
        assert_eq!(
            extract(SourceKind::Html, b"<script>x</script>"),
            Err(ExtractError::NoText)
        );
        assert_eq!(
            extract(SourceKind::WebVtt, b"WEBVTT\n"),
            Err(ExtractError::NoText)
        );
        assert_eq!(
            extract(SourceKind::PlainText, b"\xff\xfea"),
            Err(ExtractError::InvalidUtf8)
        );
        assert_eq!(
            extract(SourceKind::Pdf, b"%PDF-1.4 not really"),
            Err(ExtractError::Damaged)
        );
    }
}
