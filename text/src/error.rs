//! Why a source has no text, as a code that can be stored and shown.

use serde::{Deserialize, Serialize};

/// Why extraction gave no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum ExtractError {
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// A text in an encoding that cannot be read.
    #[error("the file is text in {0}, which cannot be read; save it as UTF-8")]
    Encoding(String),
    /// A PDF that cannot be opened without a password.
    #[error("the PDF is protected by a password")]
    Encrypted,
    /// A PDF whose structure cannot be read.
    #[error("the PDF is damaged or incomplete")]
    Damaged,
    /// A PDF whose fonts do not say which characters their signs are.
    #[error("the PDF does not say which characters its signs are; make it again with fonts that do")]
    UnmappedPdf,
    /// A PDF of pictures: scanned pages without recognised text.
    #[error("the PDF has no text layer; it is probably a scan")]
    NoTextLayer,
    /// A document, a book or an archive that cannot be read without a password.
    #[error("the file is protected by a password")]
    Protected,
    /// A document, a book or an archive whose structure cannot be read.
    #[error("the file is damaged, incomplete or not of the kind its name says")]
    DamagedFile,
    /// A format that another one has replaced.
    #[error("the file is a {0}")]
    OldFormat(String),
    /// A picture of text where nothing recognises it.
    #[error("the file is a picture, and no program that recognises text (tesseract) is installed")]
    NoRecognition,
    /// A recording without subtitles that are text, or where nothing reads them.
    #[error("the recording has no transcript, and no subtitles that could be read")]
    NoTrack,
    /// A well-formed file with nothing to read in it.
    #[error("the file contains no text")]
    NoText,
    /// The parser died, for instance of a stack overflow that the file provoked.
    #[error("the file made its parser crash")]
    Crashed,
    /// The parser used up its processor or wall-clock time.
    #[error("the file took too long to read")]
    TimedOut,
    /// The parser wanted more memory, or made more output, than it may, or found more headings, pages or cues.
    #[error("the file needs more memory, or has more parts, than is allowed")]
    Limit,
    /// The surroundings failed: the file could not be opened, or the child not started.
    #[error("the file could not be processed: {0}")]
    Io(String),
}

impl ExtractError {
    /// Stable identifier for storage and interfaces.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty_file",
            Self::Encoding(_) => "unsupported_encoding",
            Self::Encrypted => "pdf_encrypted",
            Self::Damaged => "pdf_damaged",
            Self::UnmappedPdf => "pdf_unsupported_encoding",
            Self::NoTextLayer => "no_text_layer",
            Self::Protected => "file_encrypted",
            Self::DamagedFile => "file_damaged",
            Self::OldFormat(_) => "old_format",
            Self::NoRecognition => "ocr_missing",
            Self::NoTrack => "needs_transcript",
            Self::NoText => "no_text",
            Self::Crashed => "parser_crashed",
            Self::TimedOut => "parser_timeout",
            Self::Limit => "parser_limit",
            Self::Io(_) => "io",
        }
    }

    /// Whether trying again can help. Every other variant is a property of the file and will not change.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Io(_))
    }
}

impl From<std::io::Error> for ExtractError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error.to_string())
    }
}
