//! Chunks: the units that are embedded, found and cited.

use serde::{Deserialize, Serialize};
use smartcourse_proto::{
    content::{Cue, Passage, PieceKind},
    ids::VersionId,
};
use smartcourse_retrieval::words;
use smartcourse_text::{CueStart, Unit, UnitKind, source_hash};

use crate::store::LessonRow;

/// A chunk as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    pub(crate) ordinal: i32,
    pub(crate) heading: String,
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start_seconds: Option<f64>,
    /// The cues that begin within the text; none of chunks that versions before 0.3 have stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) cues: Vec<CueStart>,
}

/// The passages of a text as they are stored.
pub(crate) fn chunks(passages: Vec<smartcourse_text::Chunk>) -> Vec<Chunk> {
    passages
        .into_iter()
        .map(|chunk| Chunk {
            ordinal: i32::try_from(chunk.ordinal).unwrap_or(i32::MAX),
            heading: chunk.heading.as_ref().to_owned(),
            text: chunk.text,
            page: chunk.page.and_then(|page| i32::try_from(page).ok()),
            start_seconds: chunk.start_seconds,
            cues: chunk.cues,
        })
        .collect()
}

impl Chunk {
    /// It as a passage of its lesson, without any scores.
    pub(crate) fn into_passage(self, row: &LessonRow, version: VersionId) -> Passage {
        let cue = |cue: CueStart| Cue {
            start: byte_offset(cue.start),
            start_seconds: cue.start_seconds,
        };
        Passage {
            lesson_id: row.lesson_id.clone(),
            lesson_title: row.title.clone(),
            module_title: row.module_title.clone(),
            version: version.version,
            page: self.page,
            start_seconds: self.start_seconds,
            cues: self.cues.into_iter().map(cue).collect(),
            heading: self.heading,
            text: self.text,
            score: 0.0,
            sentences: Vec::new(),
        }
    }
}

/// A place in a passage's text, as others are told.
pub(crate) fn byte_offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Anchor of a chunk among the units of its lesson. Anchors of other kinds of units begin with other letters.
pub(crate) fn anchor(ordinal: i32) -> String {
    format!("c{ordinal:06}")
}

/// What the model sees of a chunk: its place and its words.
pub(crate) fn embedded_text(title: &str, chunk: &Chunk) -> String {
    if chunk.heading.is_empty() {
        format!("{title}\n{}", chunk.text)
    } else {
        format!("{title} › {}\n{}", chunk.heading, chunk.text)
    }
}

/// The pieces of a chunk's text that can be quoted.
pub(crate) fn quotable(text: &str, heading: &str) -> Vec<Unit> {
    let mut units = smartcourse_text::units(text, heading);
    units.retain(|unit| unit.kind.says_something() && words(&text[unit.range.clone()]).len() > 1);
    units
}

/// What a piece is, as others are told.
pub(crate) fn piece_kind(kind: UnitKind) -> PieceKind {
    match kind {
        UnitKind::Item => PieceKind::Item,
        UnitKind::Row => PieceKind::Row,
        UnitKind::Code => PieceKind::Code,
        UnitKind::Sentence | UnitKind::Question | UnitKind::Label => PieceKind::Sentence,
    }
}

/// What the model sees of a piece of a chunk: the heading it stands under, what it is read with, and its words.
pub(crate) fn piece_text(title: &str, heading: &str, text: &str, unit: &Unit) -> String {
    let under = heading
        .rsplit(" › ")
        .next()
        .filter(|own| !own.is_empty())
        .unwrap_or(title);
    let piece = &text[unit.range.clone()];
    match &unit.context {
        Some(context) => format!("{under}: {} {piece}", &text[context.clone()]),
        None => format!("{under}: {piece}"),
    }
}

/// Identity of an embedded text; together with the model it names an embedding.
pub(crate) fn text_hash(text: &str) -> String {
    source_hash([text])
}
