//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    NO_USABLE_LESSON "no_usable_lesson" Invalid "Not one lesson has text that can be used." "Mend the lessons named in `warnings`, then publish again.";
    ASSET_MISSING "asset_missing" Invalid "A lesson names a file that is not there." "Upload the file or correct `asset_id`.";
    UPLOAD_INCOMPLETE "upload_incomplete" Conflict "Parts of the upload are not there, or not all of their bytes." "Send those listed in `parts`, then complete the upload again.";
    UPLOAD_COMPLETED "upload_completed" Conflict "The upload was completed: it takes no more parts." "Use the file in its `asset_id`.";
    UPLOAD_MISMATCH "upload_mismatch" Invalid "The length or SHA-256 of what was sent is not what was announced." "Send the part, or all of them, again.";
    TOO_MANY_UPLOADS "too_many_uploads" Conflict "Too many uploads of the course are neither completed nor deleted." "Complete or delete one; one that is neither ends by itself.";
    EMPTY_FILE "empty_file" Invalid "The uploaded file has no bytes." "Upload the real file.";
}

/// Marks a lesson whose text a model has written down.
pub(crate) const MACHINE_TRANSCRIPT: &str = "machine_transcript";

/// Codes that mark a lesson in `warnings`; they never travel as an error of their own.
pub const WARNINGS: &[(&str, &str)] = &[
    ("empty_file", "The file of the lesson has no bytes."),
    (
        "needs_transcript",
        "A video or audio lesson has neither a transcript file nor subtitles in it that could be read; upload a WebVTT or SRT file. Where recordings are transcribed the message says why this one was not.",
    ),
    (
        MACHINE_TRANSCRIPT,
        "The lesson can be asked about: a model has written down what is said in its recording. `GET /courses/{id}/lessons/{lid}/transcript` has it; where it is wrong, upload a corrected one as the lesson's transcript.",
    ),
    (
        "unsupported_encoding",
        "The file is text in an encoding that cannot be read; the message names it.",
    ),
    ("pdf_encrypted", "The PDF asks for a password."),
    ("pdf_damaged", "The PDF is truncated or damaged."),
    (
        "pdf_unsupported_encoding",
        "The PDF is whole, but does not say which characters its signs are.",
    ),
    (
        "no_text_layer",
        "The PDF has pages but no text, such as a scan, and none was recognised in it; where tesseract is not installed none is.",
    ),
    (
        "ocr_missing",
        "The file is a picture, and tesseract, which would recognise its text, is not installed where the content service runs.",
    ),
    (
        "file_encrypted",
        "The document, the book or the archive asks for a password.",
    ),
    (
        "file_damaged",
        "The document, the book or the archive is truncated, damaged or not of the kind its name says.",
    ),
    (
        "old_format",
        "The file is of a format that has been replaced; the message says what to save it as.",
    ),
    ("no_text", "The lesson has no text."),
    (
        "nothing_to_quote",
        "The lesson can be searched, but it has no sentence, item, row or line of code that would answer a question.",
    ),
    (
        "hard_to_find",
        "Neither the title of the lesson nor its own sentences find it among the first: others say the same; the message names them.",
    ),
    ("parser_crashed", "The parser crashed on the file."),
    ("parser_timeout", "The parser ran over its time limit."),
    (
        "parser_limit",
        "The parser ran over its memory or output limit, or the text has too many parts.",
    ),
];
