//! A page layout just large enough for a handout: headings, paragraphs and lists in Helvetica on A4.
//!
//! The output depends on nothing but the text (no dates, no random identifiers), so that it can be compared.

use lopdf::content::{Content, Operation};
use lopdf::{Dictionary, Document, Object, Stream, dictionary};

const PAGE: (f32, f32) = (595.0, 842.0);
const MARGIN: f32 = 62.0;
const BULLET_INDENT: f32 = 14.0;

/// Widths of Helvetica's characters from space to tilde, in thousandths of the font size.
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556,
    556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278,
    500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469,
    556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500,
    278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];

/// One block of the handout and how it is set.
struct Block {
    text: String,
    font: &'static str,
    size: f32,
    space_before: f32,
    bullet: bool,
}

/// One line at its place on a page.
struct Line {
    text: String,
    font: &'static str,
    size: f32,
    x: f32,
    y: f32,
}

/// The Markdown of a handout as a PDF document.
pub(crate) fn pdf(markdown: &str) -> anyhow::Result<Vec<u8>> {
    anyhow::ensure!(
        markdown.chars().all(|c| c == '\n' || (' '..='~').contains(&c)),
        "the handout may hold ASCII only, since its font is not embedded; replace the other characters"
    );
    let blocks = blocks(markdown);
    let title = blocks.first().map(|block| block.text.clone()).unwrap_or_default();
    let pages = lay_out(&blocks);

    let mut document = Document::with_version("1.5");
    let pages_id = document.new_object_id();
    let font = |name: &str| {
        dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => name, "Encoding" => "WinAnsiEncoding" }
    };
    let fonts = dictionary! {
        "F1" => document.add_object(font("Helvetica")),
        "F2" => document.add_object(font("Helvetica-Bold")),
    };
    let resources = document.add_object(dictionary! { "Font" => fonts });
    let count = pages.len();
    let mut kids = Vec::new();
    for (number, mut lines) in pages.into_iter().enumerate() {
        let text = format!("{title} - page {} of {count}", number + 1);
        lines.push(Line {
            text,
            font: "F1",
            size: 8.5,
            x: MARGIN,
            y: MARGIN / 2.0,
        });
        let operations: Vec<Operation> = lines.iter().flat_map(operations).collect();
        let content = Content { operations }.encode()?;
        let content = document.add_object(Stream::new(Dictionary::new(), content));
        let page = dictionary! { "Type" => "Page", "Parent" => pages_id, "Contents" => content };
        kids.push(Object::from(document.add_object(page)));
    }
    let tree = dictionary! {
        "Type" => "Pages",
        "Count" => i64::try_from(count)?,
        "Kids" => kids,
        "Resources" => resources,
        "MediaBox" => vec![0.into(), 0.into(), PAGE.0.into(), PAGE.1.into()],
    };
    document.objects.insert(pages_id, Object::Dictionary(tree));
    let catalog = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages_id });
    document.trailer.set("Root", catalog);
    let info = document.add_object(dictionary! { "Title" => Object::string_literal(title) });
    document.trailer.set("Info", info);
    let mut bytes = Vec::new();
    document.save_to(&mut bytes)?;
    Ok(bytes)
}

/// Joins the wrapped lines of the source into blocks.
fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for line in markdown.lines() {
        let text = line.trim();
        let block = |text: &str, font, size, space_before, bullet| Block {
            text: text.to_owned(),
            font,
            size,
            space_before,
            bullet,
        };
        if text.is_empty() {
            open = false;
        } else if let Some(title) = text.strip_prefix("# ") {
            blocks.push(block(title, "F2", 22.0, 0.0, false));
        } else if let Some(heading) = text.strip_prefix("## ") {
            blocks.push(block(heading, "F2", 13.5, 20.0, false));
        } else if let Some(item) = text.strip_prefix("- ") {
            blocks.push(block(item, "F1", 10.5, 4.0, true));
            open = true;
        } else if let Some(last) = blocks.last_mut().filter(|_| open) {
            last.text.push(' ');
            last.text.push_str(text);
        } else {
            blocks.push(block(text, "F1", 10.5, 8.0, false));
            open = true;
        }
    }
    blocks
}

/// Breaks the blocks into lines and the lines into pages.
fn lay_out(blocks: &[Block]) -> Vec<Vec<Line>> {
    let mut pages = vec![Vec::new()];
    let mut y = PAGE.1 - MARGIN;
    for block in blocks {
        let indent = if block.bullet { BULLET_INDENT } else { 0.0 };
        let lines = wrap(&block.text, block.size, PAGE.0 - 2.0 * MARGIN - indent);
        let leading = block.size * 1.4;
        y -= block.space_before;
        // A heading stays with the first lines of what it heads.
        let keep = if block.font == "F2" { 60.0 } else { 0.0 };
        for (number, text) in lines.into_iter().enumerate() {
            if y - leading - keep < MARGIN {
                pages.push(Vec::new());
                y = PAGE.1 - MARGIN;
            }
            y -= leading;
            let Some(page) = pages.last_mut() else { continue };
            let line = |text: String, x| Line {
                text,
                font: block.font,
                size: block.size,
                x,
                y,
            };
            if block.bullet && number == 0 {
                page.push(line("-".to_owned(), MARGIN));
            }
            page.push(line(text, MARGIN + indent));
        }
    }
    pages
}

/// Breaks a text into lines no wider than `room` points.
fn wrap(text: &str, size: f32, room: f32) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        if let Some(line) = lines.last_mut() {
            if line.is_empty() {
                line.push_str(word);
                continue;
            }
            if width(line, size) + width(" ", size) + width(word, size) <= room {
                line.push(' ');
                line.push_str(word);
                continue;
            }
        }
        lines.push(word.to_owned());
    }
    lines
}

fn width(text: &str, size: f32) -> f32 {
    let units = text.bytes().map(|byte| {
        WIDTHS
            .get(usize::from(byte.wrapping_sub(b' ')))
            .copied()
            .unwrap_or(556)
    });
    units.map(f32::from).sum::<f32>() * size / 1000.0
}

fn operations(line: &Line) -> [Operation; 5] {
    let text = Object::string_literal(line.text.as_str());
    [
        Operation::new("BT", vec![]),
        Operation::new("Tf", vec![line.font.into(), line.size.into()]),
        Operation::new("Td", vec![line.x.into(), line.y.into()]),
        Operation::new("Tj", vec![text]),
        Operation::new("ET", vec![]),
    ]
}
