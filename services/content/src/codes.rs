//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    NO_USABLE_LESSON "no_usable_lesson" Invalid "Not one lesson has text that can be used." "Mend the lessons named in `warnings`, then publish again.";
    ASSET_MISSING "asset_missing" Invalid "A lesson names a file that is not there." "Upload the file or correct `asset_id`.";
    EMPTY_FILE "empty_file" Invalid "The uploaded file has no bytes." "Upload the real file.";
}

/// Codes that mark a lesson in `warnings`; they never travel as an error of their own.
pub const WARNINGS: &[(&str, &str)] = &[
    ("empty_file", "The file of the lesson has no bytes."),
    (
        "needs_transcript",
        "A video or audio lesson has no transcript file; upload a WebVTT or SRT file.",
    ),
    ("invalid_utf8", "The file is not valid UTF-8."),
    ("pdf_encrypted", "The PDF asks for a password."),
    ("pdf_damaged", "The PDF is truncated or damaged."),
    ("no_text_layer", "The PDF has pages but no text, such as a scan."),
    ("no_text", "The lesson has no text."),
    ("parser_crashed", "The parser crashed on the file."),
    ("parser_timeout", "The parser ran over its time limit."),
    (
        "parser_limit",
        "The parser ran over its memory or output limit, or the text has too many parts.",
    ),
];
