//! PDFs built in memory, honest and hostile.

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};

/// A PDF with one page per content stream; every page has the font `/F1` and what `resources` adds.
pub(crate) fn pdf(contents: &[&str], resources: impl FnOnce(&mut Document) -> Dictionary) -> Document {
    let mut pdf = Document::with_version("1.5");
    let font = pdf.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier", "Encoding" => "WinAnsiEncoding",
    });
    let mut resources = resources(&mut pdf);
    resources.set("Font", dictionary! { "F1" => font });
    let resources = pdf.add_object(resources);
    let pages = pdf.new_object_id();
    let kids: Vec<Object> = contents
        .iter()
        .map(|content| {
            let content = pdf.add_object(Stream::new(Dictionary::new(), content.as_bytes().to_vec()));
            let page = dictionary! {
                "Type" => "Page", "Parent" => pages, "Contents" => content, "Resources" => resources,
                "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()],
            };
            pdf.add_object(page).into()
        })
        .collect();
    let count = i64::try_from(kids.len()).unwrap();
    pdf.set_object(
        pages,
        dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count },
    );
    let catalog: ObjectId = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    pdf.trailer.set("Root", catalog);
    let id = || Object::string_literal("0123456789abcdef");
    pdf.trailer.set("ID", vec![id(), id()]);
    pdf
}

/// A content stream that shows `lines` one below the other.
pub(crate) fn lines(lines: &[&str]) -> String {
    let shown: Vec<String> = lines.iter().map(|line| format!("({line}) Tj 0 -14 Td")).collect();
    format!("BT /F1 12 Tf 50 800 Td {} ET", shown.join(" "))
}

/// An honest PDF of two pages.
pub(crate) fn two_pages() -> Document {
    let first = lines(&[
        "Each value in Rust has an owner, and when the owner goes out of",
        "scope, the value is dropped.",
    ]);
    let second = lines(&["A reference borrows a value without owning it."]);
    pdf(&[&first, &second], |_| Dictionary::new())
}

/// The file's bytes.
pub(crate) fn bytes(mut pdf: Document) -> Vec<u8> {
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).unwrap();
    bytes
}
