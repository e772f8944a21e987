//! The text of lessons as it was published: which have one, and what can be quoted of it.

use smartcourse_platform::Result;
use smartcourse_proto::{
    content::{Passage, Passages, ReadLessonRequest, ReadableLessons, SentenceScore},
    ids::VersionId,
};

use crate::{
    State,
    chunk::{Chunk, byte_offset, piece_kind, quotable},
    documents, language,
    store::{self, LessonRow},
    version_lock,
};

/// The lessons of a version that have a text.
pub(crate) async fn lessons(state: &State, version: VersionId) -> Result<ReadableLessons> {
    version_lock::require_open(&state.pool, version).await?;
    let rows = store::lessons(&state.pool, version).await?.into_iter();
    let readable = rows.filter(|row| row.chunk_count > 0);
    Ok(ReadableLessons {
        lesson_ids: readable.map(|row| row.lesson_id).collect(),
    })
}

/// The passages of a lesson, with what can be quoted of them.
pub(crate) async fn read(state: &State, request: ReadLessonRequest) -> Result<Passages> {
    let version = VersionId::new(request.course_id, request.version);
    let row = store::lesson(&state.pool, version, &request.lesson_id).await?;
    let (manifest, _) = state.manifest(version.course_id, version.version).await?;
    let rows = std::slice::from_ref(&row);
    let chunks = documents::chunks_of(state.deps.documents.as_ref(), version, rows).await?;
    let chunks: Vec<Chunk> = chunks.into_iter().flatten().collect();
    let guess = || language::guess(chunks.iter().map(|chunk| chunk.text.as_str())).to_owned();
    Ok(Passages {
        language: manifest.language.unwrap_or_else(guess),
        items: chunks
            .into_iter()
            .map(|chunk| passage(&row, version, chunk))
            .collect(),
        ..Passages::default()
    })
}

fn passage(row: &LessonRow, version: VersionId, chunk: Chunk) -> Passage {
    let sentence = |unit: smartcourse_text::Unit| SentenceScore {
        start: byte_offset(unit.range.start),
        end: byte_offset(unit.range.end),
        kind: piece_kind(unit.kind).into(),
        ..SentenceScore::default()
    };
    let sentences = quotable(&chunk.text, &chunk.heading);
    Passage {
        sentences: sentences.into_iter().map(sentence).collect(),
        ..chunk.into_passage(row, version)
    }
}
