//! From a file's bytes to readable text.

mod archive;
mod html;
mod markdown;
mod notebook;
mod office;
mod pages;
mod pdf;
mod recognised;
mod subtitles;
mod xml;

pub(crate) use pdf::picture as pdf_picture;

use crate::{Document, ExtractError, SourceKind, encoding::decode};

/// Extracts the text of `bytes` in this process. Parsers may overflow the stack or allocate without bound on
/// hostile input: services use a [`Sandbox`](crate::Sandbox) for whatever others wrote, which also reads pictures and
/// recordings.
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
        SourceKind::Docx => office::docx(bytes)?,
        SourceKind::Pptx => office::pptx(bytes)?,
        SourceKind::Odt => office::odt(bytes)?,
        SourceKind::Epub => pages::book(bytes)?,
        SourceKind::Site => pages::site(bytes)?,
        SourceKind::Image => return Err(ExtractError::NoRecognition),
        SourceKind::Recording => return Err(ExtractError::NoTrack),
        SourceKind::Recognised => recognised::extract(&String::from_utf8_lossy(bytes)),
        SourceKind::Notebook => notebook::extract(&read(bytes, false)?)?,
        SourceKind::Markdown => markdown::extract(&read(bytes, false)?)?,
        SourceKind::PlainText => Document {
            text: read(bytes, false)?.trim_end().to_owned(),
            anchors: Vec::new(),
        },
        SourceKind::Html => html::extract(&read(bytes, true)?),
        SourceKind::WebVtt | SourceKind::Srt => subtitles::extract(&read(bytes, false)?),
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

/// The characters of `bytes` (`declares` as for [`decode`]), with `\n` for every line ending and without control
/// characters, which neither a reader nor the database can take.
fn read(bytes: &[u8], declares: bool) -> Result<String, ExtractError> {
    let text = decode(bytes, declares).map_err(ExtractError::Encoding)?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    Ok(text.chars().filter(|c| is_readable(*c)).collect())
}

/// Whether `c` may stand in extracted text. What only says where a word might be broken is not seen.
fn is_readable(c: char) -> bool {
    matches!(c, '\n' | '\t') || !(c.is_control() || matches!(c, '\u{ad}' | '\u{2060}' | '\u{feff}'))
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
            extract(SourceKind::PlainText, b"\0\0\xfe\xff\0\0\0a"),
            Err(ExtractError::Encoding("UTF-32".to_owned()))
        );
        assert_eq!(
            extract(SourceKind::Pdf, b"%PDF-1.4 not really"),
            Err(ExtractError::Damaged)
        );
    }
}
