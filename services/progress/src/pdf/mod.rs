//! A certificate as a page to print: A4 landscape, in the letters of whoever earned it.
//!
//! Where no font has them, a name is written in Latin letters, and the page then says so and where the name stands as it
//! was registered: the certificate's own address answers it exactly.

mod letters;

use krilla::{
    Document,
    color::rgb,
    geom::{PathBuilder, Rect},
    metadata::Metadata,
    page::PageSettings,
    paint::{Fill, Paint, Stroke},
    surface::Surface,
};
pub(crate) use letters::Letters;
use letters::{ITALIC, Lines, MONO, ROMAN, Style};
use smartcourse_platform::{Error, Result};
use smartcourse_proto::{json::timestamp::to_time, progress::Certificate};
use time::{OffsetDateTime, macros::format_description};

/// A4 landscape, in points.
const WIDTH: f32 = 841.89;
const HEIGHT: f32 = 595.28;
/// What lines may fill between the borders.
const LINE: f32 = WIDTH - 160.0;
/// No letter is smaller than this.
const SMALLEST: f32 = 9.0;
/// Dark blue and gold.
const INK: [u8; 3] = [28, 43, 79];
const GOLD: [u8; 3] = [184, 148, 66];

/// The page of a certificate.
/// Fails when the certificate has no readable date.
pub(crate) fn page(letters: &Letters, certificate: &Certificate) -> Result<Vec<u8>> {
    let issued = certificate.issued_at.as_ref().and_then(to_time);
    let issued = issued.ok_or_else(|| Error::internal("a certificate without a date"))?;
    let name = letters.printable(&certificate.full_name);
    let title = letters.printable(&certificate.course_title);
    let date = format!("on {}, version {}", day(issued)?, certificate.version);
    let path = format!("/certificates/{}", certificate.code);

    let mut document = Document::new();
    let size = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(|| Error::internal("A4 is no page size"))?;
    let mut leaf = document.start_page_with(size);
    let mut page = Page {
        letters,
        surface: leaf.surface(),
    };
    page.borders();
    page.ink(INK);
    page.centred(&ROMAN, 40.0, 125.0, "Certificate of Completion");
    page.centred(&ITALIC, 16.0, 175.0, "This certifies that");
    page.block(42.0, 235.0, 88.0, &name.text);
    page.centred(&ITALIC, 16.0, 305.0, "has completed all lessons of the course");
    page.block(26.0, 360.0, 84.0, &title.text);
    page.centred(&ITALIC, 16.0, 430.0, &date);
    if name.changed || title.changed {
        let note = "Written in Latin letters; the address below has it as it was registered.";
        page.centred(&ITALIC, 10.0, 450.0, note);
    }
    page.centred(&MONO, 12.0, 499.0, &certificate.code);
    page.centred(&MONO, 9.0, 517.0, &format!("Verify at {path}"));
    page.rule(477.0);
    drop(page);
    leaf.finish();
    document.set_metadata(
        Metadata::new()
            .title(format!("Certificate of Completion: {}", certificate.course_title))
            .language("en".to_owned())
            .producer("SmartCourse".to_owned()),
    );
    document
        .finish()
        .map_err(|error| Error::internal(format!("a certificate could not be written: {error:?}")))
}

fn paint([red, green, blue]: [u8; 3]) -> Paint {
    rgb::Color::new(red, green, blue).into()
}

fn day(issued: OffsetDateTime) -> Result<String> {
    issued
        .format(format_description!("[day padding:none] [month repr:long] [year]"))
        .map_err(|error| Error::internal("a date could not be written").because(error))
}

/// Lines in the largest size, at most `largest`, in which they are no higher than `height`; the smallest may be higher.
fn fit(letters: &Letters, largest: f32, height: f32, text: &str) -> Lines {
    let mut size = largest;
    loop {
        let lines = letters.lines(&ROMAN, size, LINE, text);
        if lines.height() <= height || size <= SMALLEST {
            return lines;
        }
        size = (size - 2.0).max(SMALLEST);
    }
}

/// A page that is being written; heights are counted from its top.
struct Page<'a> {
    letters: &'a Letters,
    surface: Surface<'a>,
}

impl Page<'_> {
    fn ink(&mut self, color: [u8; 3]) {
        self.surface.set_stroke(None);
        self.surface.set_fill(Some(Fill {
            paint: paint(color),
            ..Fill::default()
        }));
    }

    /// Draws what `shape` makes as a line.
    fn outline(&mut self, color: [u8; 3], width: f32, shape: impl FnOnce(&mut PathBuilder)) {
        let mut path = PathBuilder::new();
        shape(&mut path);
        self.surface.set_fill(None);
        self.surface.set_stroke(Some(Stroke {
            paint: paint(color),
            width,
            ..Stroke::default()
        }));
        if let Some(path) = path.finish() {
            self.surface.draw_path(&path);
        }
    }

    fn borders(&mut self) {
        for (inset, width, color) in [(24.0, 3.0, INK), (32.0, 0.8, GOLD), (36.0, 0.8, GOLD)] {
            self.outline(color, width, |path| {
                let (across, down) = (WIDTH - 2.0 * inset, HEIGHT - 2.0 * inset);
                if let Some(border) = Rect::from_xywh(inset, inset, across, down) {
                    path.push_rect(border);
                }
            });
        }
    }

    /// A short line across the middle.
    fn rule(&mut self, y: f32) {
        let half = 110.0;
        self.outline(GOLD, 0.8, |path| {
            path.move_to(WIDTH / 2.0 - half, y);
            path.line_to(WIDTH / 2.0 + half, y);
        });
    }

    /// A line whose letters stand at a height.
    fn centred(&mut self, style: &Style, size: f32, y: f32, text: &str) {
        let lines = self.letters.lines(style, size, LINE, text);
        self.draw(&lines, y - lines.baseline(), f32::INFINITY);
    }

    /// Lines in a band around a height, as large as it allows. What is too long even for the smallest is cut.
    fn block(&mut self, largest: f32, middle: f32, height: f32, text: &str) {
        let lines = fit(self.letters, largest, height, text);
        self.draw(&lines, middle - lines.height().min(height) / 2.0, height);
    }

    fn draw(&mut self, lines: &Lines, top: f32, height: f32) {
        lines.draw(&mut self.surface, (WIDTH - LINE) / 2.0, top, height);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lopdf::{Document, Object, content::Content};
    use smartcourse_launcher::{DataDir, Progress, default_data_dir, ensure_fonts};
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

    /// The fonts of the executable alone.
    fn few() -> Letters {
        Letters::open(Path::new("/nonexistent"))
    }

    /// All fonts.
    async fn all() -> Letters {
        let tools = DataDir::open(default_data_dir()).expect("is there");
        let fonts = ensure_fonts(&tools, &Progress::silent()).await;
        Letters::open(&fonts.expect("the fonts can be fetched"))
    }

    /// The text of the page as a reader takes it: what its glyphs stand for, and what is said of those that stand for
    /// several letters or for none.
    fn text(letters: &Letters, certificate: &Certificate) -> String {
        let pdf = page(letters, certificate).expect("is written");
        let document = Document::load_mem(&pdf).expect("is a PDF");
        assert_eq!(document.get_pages().len(), 1);
        let mut text = document.extract_text(&[1]).expect("has text");
        let page = document.page_iter().next().expect("a page");
        let content = document.get_page_content(page);
        for operation in Content::decode(&content).expect("is read").operations {
            for operand in operation.operands {
                match operand {
                    Object::Dictionary(marked) if marked.has(b"ActualText") => {
                        let actual = marked.get(b"ActualText").expect("is there");
                        text += &lopdf::decode_text_string(actual).expect("is text");
                    }
                    Object::String(glyphs, _) => assert_drawn(&glyphs),
                    Object::Array(parts) => {
                        let strings = parts.iter().filter_map(|part| part.as_str().ok());
                        strings.for_each(assert_drawn);
                    }
                    _ => {}
                }
            }
        }
        text
    }

    /// No glyph is the box that stands for a letter a font does not have.
    fn assert_drawn(glyphs: &[u8]) {
        assert!(glyphs.chunks(2).all(|glyph| glyph != [0, 0]), "{glyphs:?}");
    }

    #[test]
    fn the_page_can_be_read_back() {
        let certificate = certificate("Zoë  Mu\u{308}ller-O’Neil", "Durable Workflows (part 1) \\ 2");
        let text = text(&few(), &certificate);
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

    #[tokio::test]
    async fn every_script_prints() {
        let letters = all().await;
        for (name, title) in [
            ("Łukasz Żyła", "Îmbunătățire"),
            ("Nguyễn Thị Minh Khai", "Ἀθηνᾶ Παπαδοπούλου"),
            ("Анна Петрова", "Основи баз даних"),
            ("مُحَمَّد عبد الله", "دوره فارسی و اردو کورس"),
            ("דוד בן־גוריון", "Շտեմարաններ მონაცემები"),
            ("प्रिया शर्मा", "ডেটাবেস ਡਾਟਾਬੇਸ ડેટાબેઝ"),
            ("தமிழ்ச்செல்வி", "డేటాబేస్ ಡೇಟಾಬೇಸ್ ഡാറ്റാബേസ് දත්ත ଡାଟାବେସ"),
            ("สมชาย ใจดี", "ຖານຂໍ້ມູນ មូលដ្ឋានទិន្នន័យ ဒေတာဘေ့စ်"),
            ("王小明", "資料庫入門"),
            ("김철수", "데이터베이스 입문"),
            ("山田 花子", "データベース入門"),
            ("አበበ ቢቂላ", "Łukasz علي 3 王 🎓"),
        ] {
            let text = text(&letters, &certificate(name, title));
            let lost: String = format!("{name}{title}")
                .chars()
                .filter(|c| !text.contains(*c))
                .collect();
            assert!(lost.is_empty(), "{name}, {title}: {lost} not in {text}");
            assert!(!text.contains("Latin letters"), "{name}, {title}");
        }
    }

    #[test]
    fn without_their_fonts_names_are_written_in_latin_letters_and_the_page_says_so() {
        let text = text(&few(), &certificate("Анна 王小明", "数据库 א"));
        for part in ["Анна", "Wang Xiao Ming", "Shu Ju Ku", "א", "Latin letters"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
    }

    #[tokio::test]
    async fn whatever_the_length_lines_stay_within_their_band() {
        let letters = all().await;
        for name in [
            "",
            "i",
            &"W".repeat(150),
            &"word ".repeat(60),
            &"王".repeat(200),
            &"ใจดี".repeat(50),
            &"محمد ".repeat(50),
            "Jo Li",
        ] {
            let lines = fit(&letters, 42.0, 88.0, name);
            assert!(lines.height() <= 88.0 && lines.width() <= LINE, "{name}");
            text(&letters, &certificate(name, &"Ein sehr langer Titel ".repeat(9)));
        }
        // What is too long even for the smallest letters is cut.
        assert!(fit(&letters, 42.0, 88.0, &"W".repeat(2_000)).height() > 88.0);
        text(&letters, &certificate(&"W".repeat(2_000), ""));
    }
}
