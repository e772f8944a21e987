//! What an upload is, judged by its name, its declared type and its first bytes together.

use crate::{
    SourceKind,
    encoding::{decode, is_plainly_text, is_text},
};

/// What an upload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The type to store and serve the file with; always one of this module's table, never the uploader's text.
    pub content_type: &'static str,
    /// How to extract its text; `None` for media that are stored only.
    pub kind: Option<SourceKind>,
}

/// Why an upload is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedMedia {
    /// Neither name nor declared type is one of the supported ones.
    #[error("files of type {declared} are not supported")]
    Unknown {
        /// The declared type, else the file name.
        declared: String,
    },
    /// A format that another one has replaced.
    #[error("{declared} is of a format that has been replaced; save it as {instead}")]
    Replaced {
        /// The file name.
        declared: String,
        /// The extension of the other format.
        instead: &'static str,
    },
    /// Name, declared type and content contradict each other.
    #[error("the file is called {declared} but is {found}")]
    TypeMismatch {
        /// The type its name or declaration promises.
        declared: String,
        /// The type it really has, as far as its bytes or its other label tell.
        found: String,
    },
}

/// A supported type: content type, kind, extensions, and other names browsers declare it by.
struct Entry(
    &'static str,
    Option<SourceKind>,
    &'static [&'static str],
    &'static [&'static str],
);

/// The one table of content types: whatever is stored and served has one of these.
#[rustfmt::skip]
const TABLE: [Entry; 18] = [
    Entry("text/markdown", Some(SourceKind::Markdown), &["md", "markdown"], &["text/x-markdown"]),
    Entry("text/plain", Some(SourceKind::PlainText), &["txt", "text"], &[]),
    Entry("text/html", Some(SourceKind::Html), &["html", "htm", "xhtml"], &["application/xhtml+xml"]),
    Entry("text/vtt", Some(SourceKind::WebVtt), &["vtt"], &[]),
    Entry("application/x-subrip", Some(SourceKind::Srt), &["srt"], &["text/srt", "application/srt"]),
    Entry("application/pdf", Some(SourceKind::Pdf), &["pdf"], &["application/x-pdf"]),
    Entry("application/vnd.openxmlformats-officedocument.wordprocessingml.document", Some(SourceKind::Docx), &["docx"], &[]),
    Entry("application/vnd.openxmlformats-officedocument.presentationml.presentation", Some(SourceKind::Pptx), &["pptx"], &[]),
    Entry("application/vnd.oasis.opendocument.text", Some(SourceKind::Odt), &["odt"], &[]),
    Entry("application/epub+zip", Some(SourceKind::Epub), &["epub"], &[]),
    Entry("application/zip", Some(SourceKind::Site), &["zip"], &["application/x-zip-compressed"]),
    Entry("application/x-ipynb+json", Some(SourceKind::Notebook), &["ipynb"], &["application/json"]),
    Entry("video/mp4", None, &["mp4", "m4v"], &["video/x-m4v"]),
    Entry("video/webm", None, &["webm"], &["audio/webm"]),
    Entry("audio/mpeg", None, &["mp3"], &["audio/mp3"]),
    Entry("audio/wav", None, &["wav"], &["audio/x-wav", "audio/wave", "audio/vnd.wave"]),
    Entry("image/png", None, &["png"], &[]),
    Entry("image/jpeg", None, &["jpg", "jpeg"], &["image/jpg", "image/pjpeg"]),
];

/// Formats that others have replaced, by extension, each with that one.
const REPLACED: [(&str, &str); 2] = [("doc", ".docx"), ("ppt", ".pptx")];

/// The extensions of the names of files that are taken, without the dot.
pub fn extensions() -> impl Iterator<Item = &'static str> {
    TABLE.iter().flat_map(|entry| entry.2.iter().copied())
}

/// Judges an upload by its name, the declared content type (parameters are ignored, and so is
/// `application/octet-stream`, which says nothing) and `head`, the first bytes of its content. A few hundred
/// bytes suffice; an empty head passes for formats with text, whose extraction then reports the empty file.
///
/// # Errors
/// [`UnsupportedMedia::Unknown`] for a type outside the table, [`UnsupportedMedia::Replaced`] for one that has a
/// successor in it, [`UnsupportedMedia::TypeMismatch`] when the
/// labels contradict each other or the content.
pub fn sniff(
    filename: &str,
    declared_content_type: Option<&str>,
    head: &[u8],
) -> Result<Detected, UnsupportedMedia> {
    let promised = promised(filename, declared_content_type)?;
    check_content(promised, head)?;
    Ok(promised)
}

/// What an upload promises to be, by its labels alone: before its first byte.
///
/// # Errors
/// As [`sniff`].
pub fn promised(filename: &str, declared_content_type: Option<&str>) -> Result<Detected, UnsupportedMedia> {
    let extension = filename
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    let by_name = extension
        .as_deref()
        .and_then(|e| TABLE.iter().find(|entry| entry.2.contains(&e)));
    let replaced = REPLACED.iter().find(|(old, _)| extension.as_deref() == Some(old));
    if let Some((_, instead)) = replaced {
        return Err(UnsupportedMedia::Replaced {
            declared: filename.to_owned(),
            instead,
        });
    }
    let declared = declared_content_type
        .and_then(|declared| declared.split(';').next())
        .map(|declared| declared.trim().to_ascii_lowercase())
        .filter(|declared| !declared.is_empty() && declared != "application/octet-stream");
    let by_type = declared.as_deref().and_then(by_content_type);

    let entry = match (by_name, by_type) {
        (Some(name), Some(declared)) if !compatible(name, declared) => {
            return Err(mismatch(name.0, declared.0));
        }
        // A type outside the table contradicts a name inside it just as well.
        (Some(name), None) if declared.as_deref().is_some_and(|d| !is_vague(d)) => {
            return Err(mismatch(name.0, &declared.unwrap_or_default()));
        }
        (Some(entry), _) | (None, Some(entry)) => entry,
        (None, None) => {
            let declared = declared.unwrap_or_else(|| filename.to_owned());
            return Err(UnsupportedMedia::Unknown { declared });
        }
    };
    Ok(Detected {
        content_type: entry.0,
        kind: entry.1,
    })
}

fn mismatch(declared: &str, found: &str) -> UnsupportedMedia {
    UnsupportedMedia::TypeMismatch {
        declared: declared.to_owned(),
        found: found.to_owned(),
    }
}

fn by_content_type(declared: &str) -> Option<&'static Entry> {
    let named = |entry: &&Entry| entry.0 == declared || entry.3.contains(&declared);
    TABLE.iter().find(named)
}

/// Types outside the table that a browser may well give a text file it does not know.
fn is_vague(declared: &str) -> bool {
    declared.starts_with("text/")
}

/// Whether a name and a declared type may belong to one file: they agree, or the declaration is the plain text or the
/// archive that browsers declare every format of that sort which they do not know as.
fn compatible(name: &Entry, declared: &Entry) -> bool {
    let is_text = name.1.is_some_and(SourceKind::is_text);
    let is_archive = name.1.is_some_and(SourceKind::is_archive);
    name.0 == declared.0
        || (is_text && declared.0 == "text/plain")
        || (is_archive && declared.0 == "application/zip")
}

/// Refuses content that is not what its labels promise.
fn check_content(promised: Detected, head: &[u8]) -> Result<(), UnsupportedMedia> {
    let is_format_of_text = promised.kind.is_some_and(SourceKind::is_text);
    let found = match promised.kind {
        Some(_) if head.is_empty() => return Ok(()),
        // A text may begin like the signature of something else.
        Some(SourceKind::WebVtt) if is_plainly_text(head) && !starts_webvtt(head) => "text/plain",
        Some(_) if is_format_of_text && is_plainly_text(head) => return Ok(()),
        Some(SourceKind::Pdf) if holds_pdf(head) => return Ok(()),
        // Which of them it is, and whether an old or a locked document goes by a new name, shows when it is read.
        Some(kind) if kind.is_archive() && (is_zip(head) || is_compound(head)) => return Ok(()),
        _ => match magic(head) {
            Some(found) => found,
            None if !is_text(head) => "application/octet-stream",
            None if !is_format_of_text => "text/plain",
            None if promised.kind == Some(SourceKind::WebVtt) && !starts_webvtt(head) => "text/plain",
            None => return Ok(()),
        },
    };
    match found == promised.content_type {
        true => Ok(()),
        false => Err(mismatch(promised.content_type, found)),
    }
}

/// Whether a PDF begins in `head`: readers let it begin within the first kilobyte.
fn holds_pdf(head: &[u8]) -> bool {
    head[..head.len().min(1024)]
        .windows(5)
        .any(|window| window == b"%PDF-")
}

fn is_zip(head: &[u8]) -> bool {
    matches!(head, [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..])
}

/// Whether a file begins as Microsoft's compound files do: documents before 2007, and newer ones with a password.
pub(crate) fn is_compound(head: &[u8]) -> bool {
    head.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
}

/// The type a file's first bytes are the signature of.
fn magic(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [b'%', b'P', b'D', b'F', b'-', ..] => "application/pdf",
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        _ if is_zip(head) => "application/zip",
        _ if is_compound(head) => "application/x-ole-storage",
        [0x1f, 0x8b, ..] => "application/gzip",
        [0x7f, b'E', b'L', b'F', ..] => "application/x-executable",
        [b'M', b'Z', _, 0, ..] => "application/x-msdownload",
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => "image/gif",
        // The length of the first box is far below 16 MB.
        [0, _, _, _, b'f', b't', b'y', b'p', ..] => "video/mp4",
        [0x1a, 0x45, 0xdf, 0xa3, rest @ ..] => {
            // EBML: WebM and Matroska differ by the document type in the header that follows.
            match rest.windows(4).take(64).any(|w| w == b"webm") {
                true => "video/webm",
                false => "video/x-matroska",
            }
        }
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "audio/wav",
        // ID3v2 tag, or an MPEG audio frame: eleven sync bits, then layer III (01) in bits 1–2.
        [b'I', b'D', b'3', 2..=4, ..] => "audio/mpeg",
        [0xff, second, ..] if second & 0xe6 == 0xe2 => "audio/mpeg",
        _ => return None,
    })
}

/// Whether `head` begins as every WebVTT file must (W3C WebVTT, section 4.1).
fn starts_webvtt(head: &[u8]) -> bool {
    decode(head, false).is_ok_and(|text| text.starts_with("WEBVTT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, declared: Option<&str>, head: &[u8]) -> Option<SourceKind> {
        sniff(name, declared, head).unwrap().kind
    }

    fn found(name: &str, declared: Option<&str>, head: &[u8]) -> String {
        match sniff(name, declared, head) {
            Err(UnsupportedMedia::TypeMismatch { found, .. }) => found,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn formats_are_recognised() {
        assert_eq!(
            kind("a.MD", Some("text/plain; charset=utf-8"), b"# Hi"),
            Some(SourceKind::Markdown)
        );
        assert_eq!(
            kind("README", Some("text/markdown"), b"# Hi"),
            Some(SourceKind::Markdown)
        );
        assert_eq!(kind("a.txt", None, b""), Some(SourceKind::PlainText));
        assert_eq!(kind("a.htm", Some("text/html"), b"<p>x"), Some(SourceKind::Html));
        assert_eq!(
            kind(
                "a.vtt",
                Some("application/octet-stream"),
                "\u{feff}WEBVTT\n".as_bytes()
            ),
            Some(SourceKind::WebVtt)
        );
        assert_eq!(
            kind("a.srt", Some("text/x-unheard-of"), b"1\n"),
            Some(SourceKind::Srt)
        );
        assert_eq!(kind("a.b.pdf", None, b"%PDF-1.7"), Some(SourceKind::Pdf));
        let media: [(&str, &[u8], &str); 6] = [
            ("a.mp4", b"\0\0\0\x18ftypisom", "video/mp4"),
            ("a.webm", b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
            ("a.mp3", b"ID3\x04\0", "audio/mpeg"),
            ("a.mp3", b"\xff\xfb\x90\x64", "audio/mpeg"),
            ("a.wav", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
            ("a.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ];
        for (name, head, content_type) in media {
            assert_eq!(
                sniff(name, None, head),
                Ok(Detected {
                    content_type,
                    kind: None
                })
            );
        }
    }

    #[test]
    fn contradictions_are_refused() {
        assert_eq!(found("a.pdf", None, b"hello"), "text/plain");
        assert_eq!(found("a.pdf", Some("text/plain"), b"%PDF-1.4"), "text/plain");
        assert_eq!(
            found("a.pdf", Some("application/zip"), b"%PDF-1.4"),
            "application/zip"
        );
        assert_eq!(found("a.md", None, b"a\0b"), "application/octet-stream");
        assert_eq!(found("a.txt", None, b"\x7fELF\x02"), "application/x-executable");
        assert_eq!(found("a.txt", None, b"PK\x03\x04"), "application/zip");
        assert_eq!(found("a.txt", None, b"\x89PNG\r\n\x1a\n"), "image/png");
        assert_eq!(
            found("a.txt", None, b"%PDF-1.4\n%\xe2\xe3\xcf\xd3"),
            "application/pdf"
        );
        assert_eq!(found("a.vtt", None, b"1\n00:00"), "text/plain");
        assert_eq!(found("a.mp4", None, b"#EXTM3U"), "text/plain");
        assert_eq!(found("a.png", None, b""), "text/plain");
        assert_eq!(
            found("a.webm", None, b"\x1a\x45\xdf\xa3matroska"),
            "video/x-matroska"
        );
    }

    #[test]
    fn what_is_declared_as_text_and_is_text_stays_text() {
        let texts: [(&str, &[u8]); 8] = [
            ("id3.md", b"ID3\n===\n\nThe algorithm.\n"),
            ("id3.txt", b"ID3\tdecision tree"),
            ("box.md", b"The ftyp box is the first."),
            ("gif.txt", b"GIF89a is the second version."),
            ("pdf.md", b"%PDF-1.7 is the first line."),
            ("riff.txt", b"RIFF and WAVE: RIFFxxxxWAVE"),
            ("latin.txt", b"caf\xe9 x"),
            ("utf16.html", b"\xff\xfe<\0p\0>\0"),
        ];
        for (name, head) in texts {
            assert!(kind(name, None, head).is_some(), "{name}");
        }
        assert_eq!(
            kind("a.vtt", None, b"\xff\xfeW\0E\0B\0V\0T\0T\0"),
            Some(SourceKind::WebVtt)
        );
        // One in a text that is not UTF-8 is told by what follows.
        assert_eq!(found("a.txt", None, b"\xff\xfb\x90\x64\0\0"), "audio/mpeg");
    }

    #[test]
    fn a_pdf_may_begin_after_other_bytes() {
        for lead in [
            "\n",
            "\u{feff}",
            "--abc\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n",
        ] {
            let head = format!("{lead}%PDF-1.4\n");
            assert_eq!(kind("a.pdf", None, head.as_bytes()), Some(SourceKind::Pdf));
        }
        assert_eq!(found("a.pdf", None, &[b' '; 2000]), "text/plain");
    }

    #[test]
    fn a_character_cut_by_the_head_is_fine() {
        assert_eq!(kind("a.md", None, b"caf\xc3"), Some(SourceKind::Markdown));
    }

    #[test]
    fn archives_may_be_declared_as_what_they_are_made_of() {
        let zip = b"PK\x03\x04";
        assert_eq!(
            kind("a.ipynb", Some("application/json"), b"{"),
            Some(SourceKind::Notebook)
        );
        assert_eq!(
            kind("a.epub", Some("application/x-zip-compressed"), zip),
            Some(SourceKind::Epub)
        );
        assert_eq!(
            found("a.zip", Some("application/epub+zip"), zip),
            "application/epub+zip"
        );
        let docx = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        for declared in [
            None,
            Some("application/zip"),
            Some("application/octet-stream"),
            Some(docx),
        ] {
            assert_eq!(kind("a.docx", declared, zip), Some(SourceKind::Docx));
        }
        assert_eq!(found("a.docx", Some("application/pdf"), zip), "application/pdf");
        assert_eq!(found("a.docx", None, b"<html>"), "text/plain");
        // One with a password has another shape. What is in it is said when it is read.
        let compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";
        assert_eq!(kind("a.pptx", None, compound), Some(SourceKind::Pptx));
        let old = sniff("a.DOC", Some("application/msword"), compound).unwrap_err();
        assert!(old.to_string().ends_with("save it as .docx"), "{old}");
    }

    #[test]
    fn unknown_types_are_named() {
        let unknown = |declared: &str| {
            Err(UnsupportedMedia::Unknown {
                declared: declared.to_owned(),
            })
        };
        assert_eq!(sniff("a.xlsx", None, b"PK\x03\x04"), unknown("a.xlsx"));
        assert_eq!(
            sniff("a.svg", Some("image/svg+xml"), b"<svg>"),
            unknown("image/svg+xml")
        );
        assert_eq!(sniff("a", Some("application/octet-stream"), b"x"), unknown("a"));
    }
}
