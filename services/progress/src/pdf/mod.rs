//! A certificate as a page to print: A4 landscape, made with the built-in fonts of every PDF reader.
//!
//! These fonts have Western European letters only. A name in other letters is written in Latin ones, and the page then
//! says so and where the name stands as it was registered: the certificate's own address answers it exactly.

mod fonts;
mod winansi;

use fonts::{Font, HELVETICA, TIMES, TIMES_ITALIC};
use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};
use smartcourse_platform::{Error, Result};
use smartcourse_proto::{json::timestamp::to_time, progress::Certificate};
use time::{OffsetDateTime, macros::format_description};
use winansi::encode;

/// A4 landscape, in points.
const WIDTH: f32 = 841.89;
const HEIGHT: f32 = 595.28;
/// What lines may fill between the borders.
const LINE: f32 = WIDTH - 160.0;
/// From one line to the next, in sizes.
const LEADING: f32 = 1.2;
/// No letter is smaller than this.
const SMALLEST: f32 = 9.0;
/// Dark blue and gold.
const INK: [f32; 3] = [0.11, 0.17, 0.31];
const GOLD: [f32; 3] = [0.72, 0.58, 0.26];

/// The page of a certificate.
///
/// # Errors
/// When the certificate has no readable date.
pub(crate) fn page(certificate: &Certificate) -> Result<Vec<u8>> {
    let issued = certificate
        .issued_at
        .as_ref()
        .and_then(to_time)
        .ok_or_else(|| Error::internal("a certificate without a date"))?;
    let name = encode(&certificate.full_name);
    let title = encode(&certificate.course_title);
    let path = format!("/certificates/{}", certificate.code);

    let mut page = Page::new();
    page.borders();
    page.centred(&TIMES, 40.0, 470.0, b"Certificate of Completion");
    page.centred(&TIMES_ITALIC, 16.0, 420.0, b"This certifies that");
    page.block(&TIMES, 42.0, 360.0, 88.0, &name.codes);
    page.centred(
        &TIMES_ITALIC,
        16.0,
        290.0,
        b"has completed all lessons of the course",
    );
    page.block(&TIMES, 26.0, 235.0, 84.0, &title.codes);
    let date = format!("on {}, version {}", day(issued)?, certificate.version);
    page.centred(&TIMES_ITALIC, 16.0, 165.0, date.as_bytes());
    if name.changed || title.changed {
        let note = b"Written in Latin letters; the address below has it as it was registered.";
        page.centred(&TIMES_ITALIC, 10.0, 145.0, note);
    }
    page.rule(118.0);
    page.centred(&HELVETICA, 12.0, 96.0, certificate.code.as_bytes());
    page.centred(&HELVETICA, 9.0, 78.0, format!("Verify at {path}").as_bytes());
    Ok(page.finish(&certificate.course_title))
}

fn day(issued: OffsetDateTime) -> Result<String> {
    issued
        .format(format_description!("[day padding:none] [month repr:long] [year]"))
        .map_err(|error| Error::internal("a date could not be written").because(error))
}

/// Breaks text into lines that fit, at spaces where it can.
fn wrap(font: &Font, size: f32, text: &[u8]) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for word in text.split(|code| *code == b' ') {
        if let Some(line) = lines.last_mut() {
            let longer = [line.as_slice(), word].join(&b' ');
            if font.width(&longer, size) <= LINE {
                *line = longer;
                continue;
            }
        }
        let mut piece = Vec::new();
        for code in word {
            piece.push(*code);
            if piece.len() > 1 && font.width(&piece, size) > LINE {
                piece.pop();
                lines.push(std::mem::replace(&mut piece, vec![*code]));
            }
        }
        lines.push(piece);
    }
    lines
}

/// Lines in the largest size, at most `largest`, in which they are no higher than `height`. What is too long even for
/// the smallest is cut.
fn fit(font: &Font, largest: f32, height: f32, text: &[u8]) -> (f32, Vec<Vec<u8>>) {
    let mut size = largest;
    loop {
        let mut lines = wrap(font, size, text);
        let room = (height / (size * LEADING)) as usize;
        if lines.len() <= room {
            return (size, lines);
        }
        if size <= SMALLEST {
            lines.truncate(room);
            return (size, lines);
        }
        size = (size - 2.0).max(SMALLEST);
    }
}

/// A page that is being written.
struct Page(Content);

impl Page {
    fn new() -> Self {
        let mut content = Content::new();
        content.set_fill_rgb(INK[0], INK[1], INK[2]);
        Self(content)
    }

    fn borders(&mut self) {
        for (inset, width, [red, green, blue]) in [(24.0, 3.0, INK), (32.0, 0.8, GOLD), (36.0, 0.8, GOLD)] {
            self.0.set_stroke_rgb(red, green, blue).set_line_width(width);
            self.0
                .rect(inset, inset, WIDTH - 2.0 * inset, HEIGHT - 2.0 * inset)
                .stroke();
        }
    }

    /// A short line across the middle.
    fn rule(&mut self, y: f32) {
        let half = 110.0;
        self.0
            .move_to(WIDTH / 2.0 - half, y)
            .line_to(WIDTH / 2.0 + half, y)
            .stroke();
    }

    fn centred(&mut self, font: &Font, size: f32, y: f32, text: &[u8]) {
        let x = (WIDTH - font.width(text, size)) / 2.0;
        self.0
            .begin_text()
            .set_font(Name(font.name.as_bytes()), size)
            .next_line(x, y)
            .show(Str(text))
            .end_text();
    }

    /// Lines in a band around a height, as large as it allows.
    fn block(&mut self, font: &Font, largest: f32, middle: f32, height: f32, text: &[u8]) {
        let (size, lines) = fit(font, largest, height, text);
        let leading = size * LEADING;
        // Letters stand on their line, so their middle is about a third of the size above it.
        let mut y = middle + leading * (lines.len().saturating_sub(1)) as f32 / 2.0 - size / 3.0;
        for line in lines {
            self.centred(font, size, y, &line);
            y -= leading;
        }
    }

    /// The whole file.
    fn finish(self, title: &str) -> Vec<u8> {
        let fonts = [&TIMES, &TIMES_ITALIC, &HELVETICA];
        let [catalog, pages, page, content, info] = [1, 2, 3, 4, 5].map(Ref::new);
        let font_refs = [6, 7, 8].map(Ref::new);
        let mut pdf = Pdf::new();
        pdf.catalog(catalog).pages(pages).lang(TextStr("en"));
        pdf.pages(pages).kids([page]).count(1);
        let mut leaf = pdf.page(page);
        leaf.parent(pages)
            .media_box(Rect::new(0.0, 0.0, WIDTH, HEIGHT))
            .contents(content);
        let mut resources = leaf.resources();
        let mut names = resources.fonts();
        for (font, id) in fonts.iter().zip(font_refs) {
            names.pair(Name(font.name.as_bytes()), id);
        }
        names.finish();
        resources.finish();
        leaf.finish();
        pdf.stream(content, &self.0.finish());
        for (font, id) in fonts.iter().zip(font_refs) {
            pdf.type1_font(id)
                .base_font(Name(font.base.as_bytes()))
                .encoding_predefined(Name(b"WinAnsiEncoding"));
        }
        pdf.document_info(info)
            .title(TextStr(&format!("Certificate of Completion: {title}")))
            .producer(TextStr("SmartCourse"));
        pdf.finish()
    }
}

#[cfg(test)]
mod tests {
    use lopdf::Document;
    use smartcourse_proto::json::timestamp::from_time;
    use time::macros::datetime;

    use super::*;

    fn certificate(full_name: &str, course_title: &str) -> Certificate {
        Certificate {
            code: "SC-00000-00000-00000-00000-000000".to_owned(),
            course_id: 1,
            course_title: course_title.to_owned(),
            full_name: full_name.to_owned(),
            issued_at: Some(from_time(datetime!(2026-11-22 09:30 UTC))),
            version: 3,
        }
    }

    fn text(certificate: &Certificate) -> String {
        let pdf = page(certificate).expect("is written");
        let document = Document::load_mem(&pdf).expect("is a PDF");
        assert_eq!(document.get_pages().len(), 1);
        document.extract_text(&[1]).expect("has text")
    }

    #[test]
    fn the_page_can_be_read_back() {
        let text = text(&certificate(
            "Zoë Müller-O’Neil",
            "Durable Workflows (part 1) \\ 2",
        ));
        for part in [
            "Certificate of Completion",
            "Zoë Müller-O’Neil",
            "Durable Workflows (part 1) \\ 2",
            "on 22 November 2026, version 3",
            "SC-00000-00000-00000-00000-000000",
            "/certificates/SC-00000",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(!text.contains("Latin letters"));
    }

    #[test]
    fn names_in_other_letters_are_written_in_latin_ones_and_the_page_says_so() {
        let text = text(&certificate("Анна Петрова", "数据库"));
        assert!(
            text.contains("Anna Petrova") && text.contains("Latin letters"),
            "{text}"
        );
    }

    #[test]
    fn whatever_the_length_lines_stay_within_their_band() {
        for name in [
            "",
            "i",
            &"W".repeat(300),
            &"word ".repeat(60),
            &"W".repeat(9_000),
            "Jo Li",
        ] {
            let (size, lines) = fit(&TIMES, 42.0, 88.0, &encode(name).codes);
            assert!((SMALLEST..=42.0).contains(&size) && size * LEADING * lines.len() as f32 <= 88.0);
            for line in lines {
                assert!(TIMES.width(&line, size) <= LINE, "{name} at {size}");
            }
            text(&certificate(name, &"Ein sehr langer Titel ".repeat(9)));
        }
        assert_eq!(fit(&TIMES, 42.0, 88.0, b"Jo Li"), (42.0, vec![b"Jo Li".to_vec()]));
    }

    #[test]
    fn widths_are_those_of_the_fonts() {
        assert_eq!(HELVETICA.width(b"Hello", 1_000.0), 2_278.0);
        assert_eq!(TIMES.width(b"\xc4", 1_000.0), 722.0);
    }
}
