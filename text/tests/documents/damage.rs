//! Whatever happens to a file, there is a text or a reason.

use std::io::{Cursor, Read as _};

use proptest::prelude::*;
use smartcourse_text::{SourceKind, extract};
use zip::ZipArchive;

use crate::{archive, docx, epub, odt, pptx};

fn files() -> [(SourceKind, Vec<u8>); 4] {
    [
        (
            SourceKind::Docx,
            docx::document("<w:p><w:r><w:t>Words</w:t></w:r></w:p><w:tbl><w:tr><w:tc/></w:tr></w:tbl>"),
        ),
        (SourceKind::Pptx, pptx::presentation()),
        (
            SourceKind::Odt,
            odt::document(
                "<text:h>A</text:h><text:p>Words</text:p><table:table><table:table-row/></table:table>",
            ),
        ),
        (SourceKind::Epub, epub::book(&[])),
    ]
}

fn holds(kind: SourceKind, bytes: &[u8]) {
    match extract(kind, bytes) {
        Err(error) => assert!(!error.is_retryable(), "{error}"),
        Ok(document) => assert!(!document.text.is_empty()),
    }
}

#[test]
fn files_that_are_cut_anywhere() {
    for (kind, bytes) in files() {
        for end in (0..bytes.len()).step_by(37) {
            holds(kind, &bytes[..end]);
        }
    }
}

proptest! {
    #[test]
    fn bits_that_have_changed(flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6)) {
        for (kind, mut bytes) in files() {
            for (at, bit) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            holds(kind, &bytes);
        }
    }

    /// A tag of any of the parts stands somewhere else too.
    #[test]
    fn tags_that_stand_elsewhere(from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
        for (kind, bytes) in files() {
            let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
            let mut parts = Vec::new();
            for at in 0..zip.len() {
                let mut part = zip.by_index(at).unwrap();
                let mut text = String::new();
                part.read_to_string(&mut text).unwrap();
                parts.push((part.name().unwrap().into_owned(), text));
            }
            for (_, text) in &mut parts {
                let tags: Vec<usize> = text.match_indices('<').map(|(at, _)| at).chain([text.len()]).collect();
                if tags.len() > 2 {
                    let first = from.index(tags.len() - 1);
                    let tag = text[tags[first]..tags[first + 1]].to_owned();
                    text.insert_str(tags[to.index(tags.len())], &tag);
                }
            }
            let files: Vec<(&str, &str)> = parts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            holds(kind, &archive(&files));
        }
    }
}
