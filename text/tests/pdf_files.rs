//! Fonts that say their characters in other ways, or not at all, and files that are damaged.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod common;

use lopdf::{Dictionary, Document as Pdf, Object, dictionary};
use smartcourse_text::{ExtractError, SourceKind, extract};

/// A PDF whose only font is this one.
fn with_font(content: &str, font: impl FnOnce(&mut Pdf) -> Dictionary) -> Vec<u8> {
    let mut pdf = common::pdf(&[content], |_| Dictionary::new());
    let font = font(&mut pdf);
    let font = pdf.add_object(font);
    for object in pdf.objects.values_mut() {
        if let Ok(resources) = object.as_dict_mut()
            && resources.has(b"Font")
        {
            resources.set("Font", dictionary! { "F1" => font });
        }
    }
    common::bytes(pdf)
}

/// A font for scripts of many characters, with this encoding and collection.
fn composite(pdf: &mut Pdf, encoding: &str, ordering: &str) -> Dictionary {
    let descendant = pdf.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "CIDFontType0", "BaseFont" => "Unheard",
        "CIDSystemInfo" => dictionary! { "Registry" => Object::string_literal("Adobe"), "Ordering" => Object::string_literal(ordering), "Supplement" => 2 },
        "FontDescriptor" => dictionary! { "Type" => "FontDescriptor", "FontName" => "Unheard", "Flags" => 4 },
    });
    dictionary! {
        "Type" => "Font", "Subtype" => "Type0", "BaseFont" => "Unheard", "Encoding" => encoding, "DescendantFonts" => vec![descendant.into()],
    }
}

#[test]
fn predefined_encodings_are_read_and_unknown_ones_named() {
    let japanese = "BT /F1 12 Tf 50 700 Td <93FA967B8CEA82CC95B68FCD82C582B7> Tj ET";
    let file = with_font(japanese, |pdf| composite(pdf, "90ms-RKSJ-H", "Japan1"));
    assert_eq!(
        extract(SourceKind::Pdf, &file).map(|document| document.text),
        Ok("日本語の文章です".to_owned())
    );

    let glyphs = "BT /F1 12 Tf 50 700 Td <00110022003300440055> Tj ET";
    let file = with_font(glyphs, |pdf| composite(pdf, "Identity-H", "Identity"));
    assert_eq!(extract(SourceKind::Pdf, &file), Err(ExtractError::UnmappedPdf));
}

#[test]
fn damaged_files_are_typed_errors_or_text() {
    let good = common::bytes(common::two_pages());
    let mut state = 1_u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for round in 0..200 {
        let mut file = good[..good.len() - if round % 2 == 0 { random() % good.len() } else { 0 }].to_vec();
        for _ in 0..random() % 8 {
            let place = random() % file.len().max(1);
            if let Some(byte) = file.get_mut(place) {
                *byte = random() as u8;
            }
        }
        match extract(SourceKind::Pdf, &file) {
            Ok(document) => assert!(!document.text.is_empty()),
            Err(error) => assert!(!error.is_retryable(), "{error}"),
        }
    }
}
