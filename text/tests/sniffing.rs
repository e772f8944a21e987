//! What a file is taken for.

use smartcourse_text::{SourceKind, UnsupportedMedia, sniff};

fn kind(name: &str, declared: Option<&str>, head: &[u8]) -> Option<SourceKind> {
    sniff(name, declared, head).ok().map(|found| found.kind)
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
    let media: [(&str, &[u8], &str); 7] = [
        ("a.tif", b"II*\0", "image/tiff"),
        ("a.mp4", b"\0\0\0\x18ftypisom", "video/mp4"),
        ("a.webm", b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84webm", "video/webm"),
        ("a.mp3", b"ID3\x04\0", "audio/mpeg"),
        ("a.mp3", b"\xff\xfb\x90\x64", "audio/mpeg"),
        ("a.wav", b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        ("a.jpeg", b"\xff\xd8\xff\xe0", "image/jpeg"),
    ];
    for (name, head, content_type) in media {
        assert_eq!(
            sniff(name, None, head).map(|found| found.content_type),
            Ok(content_type)
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
