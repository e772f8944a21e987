//! Extracted text and the places in it that can be cited.

use serde::{Deserialize, Serialize};

/// The readable text of a source, with its structure beside it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Document {
    /// Readable text: lines end in `\n`, blocks are separated by a blank line, and there are no control
    /// characters besides `\n` and `\t`.
    pub text: String,
    /// Where pages, cues and sections begin, by ascending `start`. An anchor holds up to the next one; text
    /// before the first has no place.
    pub anchors: Vec<Anchor>,
}

/// The beginning of a page, a cue or a section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Anchor {
    /// Byte offset into [`Document::text`], on a character boundary.
    pub start: usize,
    /// Page number, counted from 1; for paged sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
    /// Seconds from the beginning of the recording at which the cue appears; for transcripts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_seconds: Option<f64>,
    /// Seconds from the beginning of the recording at which the cue disappears; for transcripts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_seconds: Option<f64>,
    /// Headings the text stands under, outermost first, the section's own last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heading_path: Vec<String>,
}

impl Document {
    /// The anchor that holds at byte `offset`, if the source has any there.
    pub fn anchor_at(&self, offset: usize) -> Option<&Anchor> {
        let after = self.anchors.partition_point(|anchor| anchor.start <= offset);
        self.anchors[..after].last()
    }
}
