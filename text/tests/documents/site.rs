//! Sites in an archive.

use smartcourse_text::{ExtractError, SourceKind};

use crate::{archive, extract, places};

#[test]
fn pages_are_read_as_the_index_links_to_them() {
    let site = archive(&[
        ("site/10.html", "<title>Ten</title><p>The tenth."),
        ("site/9.html", "<title>Nine</title><p>The ninth."),
        (
            "site/b/index.html",
            "<h1>Part B</h1><p>Its text. <a href='more.html#x'>more</a> <a href='../a.html'>back</a>",
        ),
        (
            "site/b/more.html",
            "<link rel=stylesheet href=/site/s.css><title>My site</title><h1>More</h1><p class=k>unseen<p>Seen.",
        ),
        (
            "site/a.html",
            "<nav><a href=b/>next</a></nav><h1>Part A</h1><p>Text.</p><footer>Imprint</footer>",
        ),
        (
            "site/index.html",
            "<h1>Start</h1><a href='b/'>B</a> <a href='a.html'>A</a> <a href='https://example.org/x.html'>away</a>",
        ),
        ("site/s.css", ".k{display:none}"),
        ("__MACOSX/site/index.html", "\0\0"),
        ("../out.html", "<p>out"),
    ]);
    let document = extract(SourceKind::Site, &site);
    assert_eq!(
        document.text,
        "Start\n\nB A away\n\nPart B\n\nIts text. more back\n\nMore\n\nSeen.\n\nPart A\n\nText.\n\nNine\n\nThe ninth.\n\nTen\n\nThe tenth."
    );
    let paths: Vec<String> = places(&document)
        .into_iter()
        .map(|(_, path)| path)
        .filter(|path| !path.is_empty())
        .collect();
    assert_eq!(paths, ["Start", "Part B", "More", "Part A", "Nine", "Ten"]);
}

#[test]
fn an_archive_without_pages_has_no_text() {
    let inner = archive(&[("index.html", "<p>within")]);
    let inner = String::from_utf8_lossy(&inner).into_owned();
    let nested = archive(&[("inner.zip", &inner), ("notes.docx", "x")]);
    assert_eq!(
        smartcourse_text::extract(SourceKind::Site, &nested),
        Err(ExtractError::NoText)
    );
}

#[test]
fn pages_that_link_in_circles_are_read_once() {
    let page = |number: usize| format!("<h1>P{number}</h1><a href='{}.html'>on</a>", (number + 1) % 300);
    let pages: Vec<(String, String)> = (0..300)
        .map(|number| (format!("{number}.html"), page(number)))
        .collect();
    let files: Vec<(&str, &str)> = pages
        .iter()
        .map(|(name, page)| (name.as_str(), page.as_str()))
        .collect();
    let document = extract(SourceKind::Site, &archive(&files));
    assert_eq!(document.text.matches('P').count(), 300);
}
