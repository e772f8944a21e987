//! Archives that are not what they should be.

use std::io::{Cursor, Write as _};

use smartcourse_text::{ExtractError, SourceKind, extract};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{archive, relations};

fn with_document(document: &str) -> Vec<u8> {
    let rels = relations(&[("r", "officeDocument", "word/document.xml")]);
    archive(&[("_rels/.rels", &rels), ("word/document.xml", document)])
}

fn docx(bytes: &[u8]) -> Result<String, ExtractError> {
    extract(SourceKind::Docx, bytes).map(|document| document.text)
}

#[test]
fn broken_archives_and_broken_xml_say_so() {
    let whole = with_document("<document><body><p><r><t>Words.</t></r></p></body></document>");
    assert_eq!(docx(&whole).as_deref(), Ok("Words."));
    let damaged = Err(ExtractError::DamagedFile);
    assert_eq!(docx(&whole[..whole.len() / 2]), damaged);
    assert_eq!(docx(b"PK\x03\x04 and no more"), damaged);
    assert_eq!(docx(&archive(&[("a.txt", "x")])), damaged);
    let cut = "<document><body><p><r><t>Words.</t></r></p><p><r></p></body></document>";
    assert_eq!(docx(&with_document(cut)), damaged);
    // A workbook by the name of a document, and a picture.
    assert_eq!(docx(&with_document("<workbook><sheets/></workbook>")), damaged);
    assert_eq!(extract(SourceKind::Pptx, &whole), Err(ExtractError::DamagedFile));
}

#[test]
fn entities_cannot_grow() {
    let laughs = "<!DOCTYPE d [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;'>]>\
<document><body><p><r><t>&c;&c;&c;&c;</t></r></p></body></document>";
    assert_eq!(docx(&with_document(laughs)), Err(ExtractError::DamagedFile));
    let outside = "<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><document><body><p><r><t>&a;</t></r></p></body></document>";
    assert_eq!(docx(&with_document(outside)), Err(ExtractError::DamagedFile));
}

#[test]
fn what_unpacks_to_too_much_is_stopped() {
    let bomb = with_document(&format!("<document>{}</document>", " ".repeat(200 << 20)));
    assert!(bomb.len() < 1 << 20);
    assert_eq!(docx(&bomb), Err(ExtractError::Limit));
    let names: Vec<String> = (0..25_000).map(|number| format!("{number}.xml")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(docx(&archive(&many)), Err(ExtractError::Limit));
}

/// What programs understand differently is nothing to guess at.
#[test]
fn two_files_of_one_name_are_refused() {
    let mut twice = with_document("<document><body><p><r><t>One.</t></r></p></body></document>");
    let names: Vec<usize> = (0..twice.len() - 11)
        .filter(|at| twice[*at..].starts_with(b"_rels/.rels"))
        .collect();
    let other = b"word/document.xml";
    assert_eq!(docx(&twice).as_deref(), Ok("One."));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for name in ["word/document.xml", "word/documenT.xml"] {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(b"<document/>").unwrap();
    }
    twice = zip.finish().unwrap().into_inner();
    for at in 0..twice.len() - other.len() {
        if twice[at..].starts_with(b"word/documenT.xml") {
            twice[at..at + other.len()].copy_from_slice(other);
        }
    }
    assert!(names.len() > 1);
    assert_eq!(docx(&twice), Err(ExtractError::DamagedFile));
}

#[test]
fn names_that_lead_out_of_the_archive_name_nothing() {
    let rels = relations(&[("r", "officeDocument", "../../etc/passwd")]);
    let out = archive(&[
        ("_rels/.rels", &rels),
        ("../etc/passwd", "<document/>"),
        ("/etc/passwd", "<document/>"),
    ]);
    assert_eq!(docx(&out), Err(ExtractError::DamagedFile));
}

#[test]
fn passwords_are_named() {
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("_rels/.rels", options).unwrap();
    zip.write_all(b"<Relationships/>").unwrap();
    let mut locked = zip.finish().unwrap().into_inner();
    // The flag for a password, in the file's own head and in the table of contents.
    locked[6] |= 1;
    let table = locked
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    locked[table + 8] |= 1;
    assert_eq!(docx(&locked), Err(ExtractError::Protected));
}

/// A compound file with a stream of this name.
fn compound(stream: &str) -> Vec<u8> {
    let mut bytes = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    bytes.resize(512, 0);
    bytes.extend(stream.encode_utf16().flat_map(u16::to_le_bytes));
    bytes.resize(1024, 0);
    bytes
}

#[test]
fn locked_documents_and_old_ones_are_told_apart() {
    assert_eq!(docx(&compound("EncryptedPackage")), Err(ExtractError::Protected));
    for (stream, instead) in [("WordDocument", ".docx"), ("PowerPoint Document", ".pptx")] {
        let error = docx(&compound(stream)).unwrap_err();
        assert_eq!(error.code(), "old_format");
        assert!(
            error.to_string().ends_with(&format!("save it as {instead}")),
            "{error}"
        );
    }
    assert_eq!(docx(&compound("Workbook")), Err(ExtractError::DamagedFile));
}

#[test]
fn what_nests_without_end_is_bounded() {
    let depth = 20_000;
    let nested = |open: &str, close: &str, inner: &str| {
        with_document(&format!(
            "<document><body>{}{inner}{}</body></document>",
            open.repeat(depth),
            close.repeat(depth)
        ))
    };
    for bytes in [
        nested("<sdt><sdtContent>", "</sdtContent></sdt>", ""),
        nested("<tbl><tr><tc>", "</tc></tr></tbl>", ""),
        nested("<p><ins>", "</ins></p>", "<r><t>x</t></r>"),
    ] {
        let outcome = std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn(move || docx(&bytes))
            .unwrap()
            .join()
            .unwrap();
        assert!(outcome.is_err(), "{outcome:?}");
    }
}
