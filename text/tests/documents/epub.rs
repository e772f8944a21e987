//! Books.

use smartcourse_text::{ExtractError, SourceKind};

use crate::{archive, extract, places};

const CONTAINER: &str =
    "<container><rootfiles><rootfile full-path='OEBPS/book.opf'/></rootfiles></container>";

const PACKAGE: &str = "<package><metadata><dc:title xmlns:dc='d'>A book</dc:title></metadata><manifest>\
<item id='n' href='nav.xhtml' media-type='application/xhtml+xml' properties='nav'/><item id='c1' href='text/one%20of%20two.xhtml' media-type='application/xhtml+xml'/>\
<item id='c2' href='text/2.xhtml' media-type='application/xhtml+xml'/><item id='p' href='cover.png' media-type='image/png'/><item id='gone' href='gone.xhtml' media-type='application/xhtml+xml'/></manifest>\
<spine><itemref idref='p'/><itemref idref='n'/><itemref idref='c2'/><itemref idref='gone'/><itemref idref='c1'/></spine></package>";

fn page(body: &str) -> String {
    format!(
        "<?xml version='1.0'?><!DOCTYPE html><html xmlns='http://www.w3.org/1999/xhtml'><head><title/><link rel='stylesheet' href='../s.css'/></head><body>{body}</body></html>"
    )
}

pub(crate) fn book(more: &[(&str, &str)]) -> Vec<u8> {
    let (one, two) = (
        page(
            "<h1>Arches</h1><p>They press<a id='x'/> outwards.</p><aside class='unseen'>Draft</aside><nav>Back</nav>",
        ),
        page("<h1>Foreword</h1><p>Of bridges.</p>"),
    );
    let nav = page("<nav><ol><li>Foreword</li></ol></nav><h1>Contents</h1>");
    let mut files = vec![
        ("mimetype", "application/epub+zip"),
        ("META-INF/container.xml", CONTAINER),
        ("OEBPS/book.opf", PACKAGE),
        ("OEBPS/nav.xhtml", &nav),
        ("OEBPS/text/one of two.xhtml", &one),
        ("OEBPS/text/2.xhtml", &two),
        ("OEBPS/s.css", ".unseen { display: none }"),
    ];
    files.extend(more);
    archive(&files)
}

#[test]
fn chapters_are_read_in_the_order_of_the_book() {
    let document = extract(SourceKind::Epub, &book(&[]));
    assert_eq!(
        document.text,
        "Foreword\n\nOf bridges.\n\nArches\n\nThey press outwards."
    );
    let paths: Vec<String> = places(&document).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["", "Foreword", "", "Arches"]);
}

#[test]
fn a_locked_book_says_so_and_disguised_typefaces_lock_nothing() {
    let of = |algorithm: &str, file: &str| {
        format!(
            "<encryption><EncryptedData><EncryptionMethod Algorithm='{algorithm}'/><CipherData><CipherReference URI='{file}'/></CipherData></EncryptedData></encryption>"
        )
    };
    let read = |rights: &str| {
        smartcourse_text::extract(SourceKind::Epub, &book(&[("META-INF/encryption.xml", rights)]))
    };
    let typeface = of("http://www.idpf.org/2008/embedding", "OEBPS/font.otf");
    assert!(read(&typeface).is_ok());
    let page = of(
        "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
        "OEBPS/text/2.xhtml",
    );
    assert_eq!(read(&page), Err(ExtractError::Protected));
}

#[test]
fn a_book_without_its_parts_is_damaged() {
    let damaged = |files: &[(&str, &str)]| {
        assert_eq!(
            smartcourse_text::extract(SourceKind::Epub, &archive(files)),
            Err(ExtractError::DamagedFile)
        );
    };
    damaged(&[("mimetype", "application/epub+zip")]);
    damaged(&[("META-INF/container.xml", CONTAINER)]);
    damaged(&[
        ("META-INF/container.xml", CONTAINER),
        ("OEBPS/book.opf", "<package><manifest/></package>"),
    ]);
    damaged(&[("META-INF/container.xml", CONTAINER), ("OEBPS/book.opf", PACKAGE)]);
}
