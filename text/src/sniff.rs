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
    /// How to extract its text.
    pub kind: SourceKind,
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
    SourceKind,
    &'static [&'static str],
    &'static [&'static str],
);

/// The one table of content types: whatever is stored and served has one of these.
#[rustfmt::skip]
const TABLE: [Entry; 19] = [
    Entry("text/markdown", SourceKind::Markdown, &["md", "markdown"], &["text/x-markdown"]),
    Entry("text/plain", SourceKind::PlainText, &["txt", "text"], &[]),
    Entry("text/html", SourceKind::Html, &["html", "htm", "xhtml"], &["application/xhtml+xml"]),
    Entry("text/vtt", SourceKind::WebVtt, &["vtt"], &[]),
    Entry("application/x-subrip", SourceKind::Srt, &["srt"], &["text/srt", "application/srt"]),
    Entry("application/pdf", SourceKind::Pdf, &["pdf"], &["application/x-pdf"]),
    Entry("application/vnd.openxmlformats-officedocument.wordprocessingml.document", SourceKind::Docx, &["docx"], &[]),
    Entry("application/vnd.openxmlformats-officedocument.presentationml.presentation", SourceKind::Pptx, &["pptx"], &[]),
    Entry("application/vnd.oasis.opendocument.text", SourceKind::Odt, &["odt"], &[]),
    Entry("application/epub+zip", SourceKind::Epub, &["epub"], &[]),
    Entry("application/zip", SourceKind::Site, &["zip"], &["application/x-zip-compressed"]),
    Entry("application/x-ipynb+json", SourceKind::Notebook, &["ipynb"], &["application/json"]),
    Entry("video/mp4", SourceKind::Recording, &["mp4", "m4v"], &["video/x-m4v"]),
    Entry("video/webm", SourceKind::Recording, &["webm"], &["audio/webm"]),
    Entry("audio/mpeg", SourceKind::Recording, &["mp3"], &["audio/mp3"]),
    Entry("audio/wav", SourceKind::Recording, &["wav"], &["audio/x-wav", "audio/wave", "audio/vnd.wave"]),
    Entry("image/png", SourceKind::Image, &["png"], &[]),
    Entry("image/jpeg", SourceKind::Image, &["jpg", "jpeg"], &["image/jpg", "image/pjpeg"]),
    Entry("image/tiff", SourceKind::Image, &["tif", "tiff"], &["image/x-tiff"]),
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
    let is_text = name.1.is_text();
    let is_archive = name.1.is_archive();
    name.0 == declared.0
        || (is_text && declared.0 == "text/plain")
        || (is_archive && declared.0 == "application/zip")
}

/// Refuses content that is not what its labels promise.
fn check_content(promised: Detected, head: &[u8]) -> Result<(), UnsupportedMedia> {
    let is_format_of_text = promised.kind.is_text();
    let found = match promised.kind {
        kind if head.is_empty() && !kind.is_media() => return Ok(()),
        // A text may begin like the signature of something else.
        SourceKind::WebVtt if is_plainly_text(head) && !starts_webvtt(head) => "text/plain",
        _ if is_format_of_text && is_plainly_text(head) => return Ok(()),
        SourceKind::Pdf if holds_pdf(head) => return Ok(()),
        // Which of them it is, and whether an old or a locked document goes by a new name, shows when it is read.
        kind if kind.is_archive() && (is_zip(head) || is_compound(head)) => return Ok(()),
        kind => match magic(head) {
            Some(found) => found,
            None if !is_text(head) => "application/octet-stream",
            None if !is_format_of_text => "text/plain",
            None if kind == SourceKind::WebVtt && !starts_webvtt(head) => "text/plain",
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
        [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => "image/tiff",
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
