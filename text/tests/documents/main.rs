//! Documents, slides and books, as their readers see them.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod archives;
mod damage;
mod docx;
mod epub;
mod notebook;
mod odt;
mod pptx;
mod site;

use std::io::{Cursor, Write as _};

use smartcourse_text::{Document, SourceKind};
use zip::{ZipWriter, write::SimpleFileOptions};

/// An archive of these files.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A file that names others: `(id, type, target)`.
fn relations(all: &[(&str, &str, &str)]) -> String {
    let base = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let one = |(id, kind, target): &(&str, &str, &str)| {
        format!("<Relationship Id='{id}' Type='{base}/{kind}' Target='{target}'/>")
    };
    let all: String = all.iter().map(one).collect();
    format!(
        "<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>{all}</Relationships>"
    )
}

fn extract(kind: SourceKind, bytes: &[u8]) -> Document {
    smartcourse_text::extract(kind, bytes).unwrap()
}

/// The headings each place stands under, with its page.
fn places(document: &Document) -> Vec<(Option<u32>, String)> {
    let place = |anchor: &smartcourse_text::Anchor| (anchor.page, anchor.heading_path.join("/"));
    document.anchors.iter().map(place).collect()
}
