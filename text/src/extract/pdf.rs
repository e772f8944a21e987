//! PDF to readable text, page by page.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use pdf_extract::encryption::DecryptionError;
use pdf_extract::{
    ConvertToFmt, Document as Pdf, Error as PdfError, MediaBox, OutputDev, OutputError, PlainTextOutput,
    Transform,
};

use super::{is_readable, reflow};
use crate::{Anchor, Document, ExtractError};

/// Fewer words than this per page, on average, are page numbers and watermarks of a scan.
const MIN_WORDS_PER_PAGE: usize = 2;

/// Extracts the PDF `bytes`; each page begins an anchor. A PDF that only restricts what its reader may do, and
/// opens with the empty password, is read like any other.
/// Fails with [`ExtractError::Encrypted`], [`Damaged`](ExtractError::Damaged) (also when the parser panics) or
/// [`NoTextLayer`](ExtractError::NoTextLayer).
pub(super) fn extract(bytes: &[u8]) -> Result<Document, ExtractError> {
    // The parser unwraps what it expects to find in a file; nothing of it is used after a panic.
    let pages = catch_unwind(AssertUnwindSafe(|| read_pages(bytes))).unwrap_or(Err(ExtractError::Damaged))?;
    if pages.is_empty() {
        return Err(ExtractError::Damaged);
    }
    let mut document = Document::default();
    for (number, raw) in (1_u32..).zip(&pages) {
        let text = reflow::paragraphs(raw);
        if !document.text.is_empty() && !text.is_empty() {
            document.text.push_str("\n\n");
        }
        document.anchors.push(Anchor {
            start: document.text.len(),
            page: Some(number),
            ..Anchor::default()
        });
        document.text.push_str(&text);
    }
    let words = document.text.split_whitespace();
    let words = words.filter(|word| word.contains(char::is_alphanumeric));
    if words.count() < MIN_WORDS_PER_PAGE * pages.len() {
        return Err(ExtractError::NoTextLayer);
    }
    Ok(document)
}

/// The text of each page as the parser lays it out.
fn read_pages(bytes: &[u8]) -> Result<Vec<String>, ExtractError> {
    let mut pdf = Pdf::load_mem(bytes).map_err(|error| refusal(&error))?;
    if pdf.is_encrypted() {
        pdf.decrypt("").map_err(|error| refusal(&error))?;
    }
    let mut output = Pages::default();
    // One pass over all pages: asking for each page by number would walk the page tree every time.
    pdf_extract::output_doc(&pdf, &mut output).map_err(|error| match error {
        OutputError::PdfError(error) => refusal(&error),
        OutputError::FormatError(_) | OutputError::IoError(_) => ExtractError::Damaged,
    })?;
    Ok(output.pages)
}

/// What a parser's error says about the file. An unknown encryption is still an encryption.
fn refusal(error: &PdfError) -> ExtractError {
    match error {
        PdfError::InvalidPassword
        | PdfError::UnsupportedSecurityHandler(_)
        | PdfError::Decryption(
            DecryptionError::IncorrectPassword
            | DecryptionError::UnsupportedEncryption
            | DecryptionError::UnsupportedVersion
            | DecryptionError::UnsupportedRevision,
        ) => ExtractError::Encrypted,
        _ => ExtractError::Damaged,
    }
}

/// A string that the plain-text renderer writes and [`Pages`] reads.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<String>>);

impl fmt::Write for Shared {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.borrow_mut().push_str(text);
        Ok(())
    }
}

impl ConvertToFmt for Shared {
    type Writer = Self;

    fn convert(self) -> Self {
        self
    }
}

/// Renders every page with a plain-text renderer of its own.
#[derive(Default)]
struct Pages {
    pages: Vec<String>,
    current: Shared,
    renderer: Option<PlainTextOutput<Shared>>,
}

impl Pages {
    /// Calls `f` with the open page's renderer; outside pages there is nothing to do.
    fn render(
        &mut self,
        f: impl FnOnce(&mut PlainTextOutput<Shared>) -> Result<(), OutputError>,
    ) -> Result<(), OutputError> {
        self.renderer.as_mut().map_or(Ok(()), f)
    }
}

impl OutputDev for Pages {
    fn begin_page(
        &mut self,
        number: u32,
        media_box: &MediaBox,
        art_box: Option<(f64, f64, f64, f64)>,
    ) -> Result<(), OutputError> {
        let mut renderer = PlainTextOutput::new(self.current.clone());
        renderer.begin_page(number, media_box, art_box)?;
        self.renderer = Some(renderer);
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        self.renderer = None;
        let page = std::mem::take(&mut *self.current.0.borrow_mut());
        self.pages
            .push(page.chars().filter(|c| is_readable(*c)).collect());
        Ok(())
    }

    fn output_character(
        &mut self,
        position: &Transform,
        width: f64,
        spacing: f64,
        font_size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        self.render(|renderer| renderer.output_character(position, width, spacing, font_size, text))
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.render(PlainTextOutput::begin_word)
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        self.render(PlainTextOutput::end_word)
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        self.render(PlainTextOutput::end_line)
    }
}
