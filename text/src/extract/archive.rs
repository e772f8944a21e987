//! Files that are archives of files: read in memory, within limits, never written anywhere.

use std::io::{Cursor, Read as _};

use percent_encoding::percent_decode_str;
use zip::{ZipArchive, result::ZipError};

use crate::{ExtractError, encoding::decode, sniff::is_compound};

/// Entries of one archive. Books of a page for each verse have some thousands.
const MAX_ENTRIES: usize = 20_000;

/// Bytes that are unpacked of one archive, whatever its entries say of themselves. What readers are shown of text is a
/// small part of it; pictures and fonts are never unpacked.
const MAX_BYTES: u64 = 96 << 20;

/// An open archive.
pub(super) struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes that may still be unpacked.
    left: u64,
}

impl<'a> Archive<'a> {
    /// Opens `bytes`. [`ExtractError::DamagedFile`] also when two entries have one name or share their bytes, which
    /// readers of archives understand differently.
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, ExtractError> {
        if is_compound(bytes) {
            return Err(compound(bytes));
        }
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|error| failure(&error))?;
        if zip.len() > MAX_ENTRIES {
            return Err(ExtractError::Limit);
        }
        let shared = zip.has_overlapping_entries().map_err(|error| failure(&error))?;
        if shared || zip.has_duplicate_names() {
            return Err(ExtractError::DamagedFile);
        }
        Ok(Self { zip, left: MAX_BYTES })
    }

    /// The names of its files, in the archive's order. One that leads out of the archive is the name of nothing.
    pub(super) fn names(&self) -> Vec<String> {
        let names = self.zip.file_names().filter_map(Result::ok);
        names
            .filter(|name| !name.ends_with('/') && is_inside(name))
            .map(std::borrow::Cow::into_owned)
            .collect()
    }

    /// The bytes of a file, if it is there.
    pub(super) fn read(&mut self, name: &str) -> Result<Option<Vec<u8>>, ExtractError> {
        if !is_inside(name) {
            return Ok(None);
        }
        let entry = match self.zip.by_name(name) {
            Ok(entry) => entry,
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(failure(&error)),
        };
        let mut bytes = Vec::new();
        // One byte more than allowed tells what was cut.
        let mut unpacked = entry.take(self.left + 1);
        unpacked
            .read_to_end(&mut bytes)
            .map_err(|_| ExtractError::DamagedFile)?;
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or(ExtractError::Limit)?;
        Ok(Some(bytes))
    }

    /// The text of a file, if it is there, by what it says of its encoding.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ExtractError> {
        let text = |bytes: Vec<u8>| {
            decode(&bytes, true)
                .map(std::borrow::Cow::into_owned)
                .map_err(ExtractError::Encoding)
        };
        self.read(name)?.map(text).transpose()
    }

    /// The text of a file without which the others mean nothing.
    pub(super) fn required(&mut self, name: &str) -> Result<String, ExtractError> {
        self.text(name)?.ok_or(ExtractError::DamagedFile)
    }
}

/// The name of the file that `reference` in the file `from` means, as it is written.
pub(super) fn resolve(from: &str, reference: &str) -> String {
    join(from, without_fragment(reference))
}

/// The name of the file that a link `reference` in the page `from` means, with what is escaped in it.
/// None for what is elsewhere.
pub(super) fn linked(from: &str, reference: &str) -> Option<String> {
    let scheme = reference.split(['/', '#', '?']).next().unwrap_or_default();
    if scheme.contains(':') || reference.starts_with("//") {
        return None;
    }
    let path = percent_decode_str(without_fragment(reference)).decode_utf8();
    Some(join(from, &path.ok()?))
}

fn without_fragment(reference: &str) -> &str {
    reference.split(['#', '?']).next().unwrap_or_default()
}

/// The name that `path` is, from the place of the file `from`.
fn join(from: &str, path: &str) -> String {
    if path.is_empty() {
        return from.to_owned();
    }
    let mut parts: Vec<&str> = match path.starts_with('/') {
        true => Vec::new(),
        false => from.split('/').collect(),
    };
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether `name` stays where the archive would be unpacked.
fn is_inside(name: &str) -> bool {
    let outside = name.starts_with(['/', '\\']) || name.get(1..2) == Some(":");
    !outside && !name.split(['/', '\\']).any(|part| part == "..")
}

fn failure(error: &ZipError) -> ExtractError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) | ZipError::InvalidPassword => {
            ExtractError::Protected
        }
        _ => ExtractError::DamagedFile,
    }
}

/// What a compound file is, by the names of its streams.
fn compound(bytes: &[u8]) -> ExtractError {
    let has = |name: &str| {
        let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        bytes.windows(name.len()).any(|window| window == name)
    };
    if has("EncryptedPackage") {
        ExtractError::Protected
    } else if has("WordDocument") {
        ExtractError::OldFormat("Word document of before 2007; save it as .docx".to_owned())
    } else if has("PowerPoint Document") {
        ExtractError::OldFormat("PowerPoint presentation of before 2007; save it as .pptx".to_owned())
    } else {
        ExtractError::DamagedFile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_from_where_they_stand() {
        let cases = [
            ("OEBPS/text/a.xhtml", "../b.xhtml#x", "OEBPS/b.xhtml"),
            ("ppt/slides/slide1.xml", "/ppt/media/a.png", "ppt/media/a.png"),
            ("a.html", "./b/c.html?q=1", "b/c.html"),
            ("a.html", "../../b.html", "b.html"),
            ("d/a.html", "#top", "d/a.html"),
        ];
        for (from, reference, expected) in cases {
            assert_eq!(resolve(from, reference), expected);
        }
    }

    #[test]
    fn links_may_be_escaped_and_may_lead_elsewhere() {
        assert_eq!(
            linked("a/b.html", "%C3%BC%23%20c.html#x").as_deref(),
            Some("a/ü# c.html")
        );
        for elsewhere in ["https://example.org/a.html", "mailto:a@b", "//example.org/a.html"] {
            assert_eq!(linked("a.html", elsewhere), None);
        }
    }

    #[test]
    fn names_that_lead_out_are_none() {
        for name in [
            "/etc/passwd",
            "../a",
            "a/../../b",
            "a\\..\\b",
            "C:\\a",
            "\\\\host\\a",
        ] {
            assert!(!is_inside(name), "{name}");
        }
        assert!(is_inside("word/a..b.xml"));
    }
}
