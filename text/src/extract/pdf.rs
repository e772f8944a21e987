//! PDF to readable text: what is seen of each page, in the order it is read.

mod columns;
mod direction;
mod glyphs;
mod hyphens;
mod lines;
mod marks;
mod model;
mod paragraphs;
mod picture;
mod running;
mod visible;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hayro_interpret::hayro_syntax::{DecryptionError, LoadPdfError, Pdf};

use crate::{Anchor, Document, ExtractError, sentences};
use hyphens::Words;
use model::{Leaf, Line};
use paragraphs::Paragraph;

/// Fewer words than this per page, on average, are page numbers and watermarks of a scan.
const MIN_WORDS_PER_PAGE: usize = 2;

/// A document can have lines of code if one in so many lines is surely none.
const CODE: usize = 5;

/// One in so many signs without a character, and the text is not what the page shows.
const UNMAPPED: usize = 3;

/// Extracts the PDF `bytes`; each page begins an anchor, after a sentence that goes on from the page before. A PDF
/// that only restricts what its reader may do, and opens with the empty password, is read like any other.
/// Fails with [`ExtractError::Encrypted`], [`Damaged`](ExtractError::Damaged) (also when the parser panics),
/// [`NoTextLayer`](ExtractError::NoTextLayer) or [`UnmappedPdf`](ExtractError::UnmappedPdf).
pub(super) fn extract(bytes: &[u8]) -> Result<Document, ExtractError> {
    // Nothing of the parser is used after a panic.
    let pages = catch_unwind(AssertUnwindSafe(|| read(bytes))).unwrap_or(Err(ExtractError::Damaged))?;
    let count = pages.len();
    let document = joined(pages);
    if words(&document.text) < MIN_WORDS_PER_PAGE * count {
        return Err(ExtractError::NoTextLayer);
    }
    Ok(document)
}

/// The words of `text`; scripts without blanks have some two signs to one.
fn words(text: &str) -> usize {
    let words = text
        .split_whitespace()
        .filter(|word| word.contains(char::is_alphanumeric));
    let signs = |word: &str| word.chars().filter(|c| u32::from(*c) >= 0x2e80).count();
    words.map(|word| (signs(word) / 2).max(1)).sum()
}

/// The picture of a page, counted from 0, for what recognises text in it: empty if it has none, none after the last page.
pub(crate) fn picture(bytes: &[u8], page: usize) -> Result<Option<Vec<u8>>, ExtractError> {
    let pdf = open(bytes)?;
    let picture = pdf.pages().get(page).map(|page| picture::of_page(&pdf, page));
    Ok(picture)
}

fn open(bytes: &[u8]) -> Result<Pdf, ExtractError> {
    // Mail and forms leave bytes before the file, which its table of contents does not count.
    let head = &bytes[..bytes.len().min(1024)];
    let begin = head.windows(5).position(|window| window == b"%PDF-").unwrap_or(0);
    Pdf::new(bytes[begin..].to_vec()).map_err(|error| match error {
        LoadPdfError::Decryption(
            DecryptionError::PasswordProtected | DecryptionError::UnsupportedAlgorithm,
        ) => ExtractError::Encrypted,
        LoadPdfError::Decryption(_) | LoadPdfError::Invalid => ExtractError::Damaged,
    })
}

/// What stands on each page.
fn read(bytes: &[u8]) -> Result<Vec<Leaf>, ExtractError> {
    let pdf = open(bytes)?;
    let (mut mapped, mut unmapped) = (0, 0);
    let mut leaves = Vec::new();
    for mut page in glyphs::pages(&pdf) {
        mapped += page.glyphs.len();
        unmapped += page.unmapped;
        page.glyphs = marks::settle(page.glyphs);
        leaves.push(Leaf {
            height: page.height,
            frames: lines::frames(&page),
        });
    }
    match leaves.is_empty() {
        true => Err(ExtractError::Damaged),
        false if unmapped * UNMAPPED > mapped + unmapped => Err(ExtractError::UnmappedPdf),
        false => Ok(leaves),
    }
}

/// The document of these pages, without what runs with them.
fn joined(mut pages: Vec<Leaf>) -> Document {
    running::drop(&mut pages);
    let pages: Vec<Vec<Line>> = pages.into_iter().map(lines::ordered).collect();
    let mut words = Words::default();
    pages.iter().flatten().for_each(|line| words.note(&line.text));
    // Where nearly all is typewritten, it is prose.
    let (lines, other) = (pages.iter().flatten(), |line: &&Line| line.pitch.is_none());
    let has_code = lines.clone().filter(other).count() * CODE > lines.count();
    let mut document = Document::default();
    // The paragraph that may go on, and the pages that began within it, each with the offset.
    let mut open: Option<Paragraph> = None;
    let mut begun: Vec<(u32, usize)> = Vec::new();
    // Notes at the foot of the page before, which must not cut the paragraph above them.
    let mut notes: Vec<Paragraph> = Vec::new();
    for (number, page) in (1_u32..).zip(&pages) {
        let mut paragraphs = paragraphs::of_page(page, &words, has_code);
        let next_notes = paragraphs::split_notes(&mut paragraphs);
        let mut paragraphs = paragraphs.into_iter().peekable();
        let leads_on = open
            .as_ref()
            .is_some_and(|open| paragraphs.peek().is_some_and(|next| open.leads_to(next)));
        let goes_on = leads_on && (notes.is_empty() || begun.iter().all(|(_, offset)| *offset == 0));
        if !goes_on {
            close(&mut document, open.take(), &mut begun);
        }
        for note in notes.drain(..) {
            close(&mut document, Some(note), &mut begun);
        }
        if goes_on && let (Some(open), Some(rest)) = (&mut open, paragraphs.next()) {
            begun.push((number, open.text.len()));
            open.take(rest, &words);
        } else {
            begun.push((number, 0));
        }
        for paragraph in paragraphs {
            close(&mut document, open.replace(paragraph), &mut begun);
        }
        notes = next_notes;
    }
    for paragraph in open.into_iter().chain(notes) {
        close(&mut document, Some(paragraph), &mut begun);
    }
    close(&mut document, None, &mut begun);
    document.text.truncate(document.text.trim_end().len());
    // Pages without text at the end begin where all ends.
    let end = document.text.len();
    for anchor in &mut document.anchors {
        anchor.start = anchor.start.min(end);
    }
    document
}

/// Appends a paragraph. A page begins with the first sentence that begins on it.
fn close(document: &mut Document, paragraph: Option<Paragraph>, begun: &mut Vec<(u32, usize)>) {
    let text = paragraph
        .map(|paragraph| paragraph.text.replace('\u{ad}', "-"))
        .unwrap_or_default();
    let start = document.text.len();
    let ends: Vec<usize> = sentences(&text)
        .into_iter()
        .map(|sentence| sentence.end)
        .collect();
    for (page, offset) in begun.drain(..) {
        let end = ends
            .iter()
            .find(|end| **end > offset)
            .copied()
            .unwrap_or(text.len());
        document.anchors.push(Anchor {
            start: start + if offset == 0 { 0 } else { end },
            page: Some(page),
            ..Anchor::default()
        });
    }
    document.text.push_str(&text);
    if !text.is_empty() {
        document.text.push_str("\n\n");
    }
}
