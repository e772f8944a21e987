//! What was found to be said in a recording, for its owner to read and to correct.

use smartcourse_platform::{Error, Result, grpc::Actor};
use smartcourse_proto::{
    content::{LessonTranscript, LessonTranscriptRequest},
    ids::VersionId,
};

use crate::{State, chunk::Chunk, codes, documents, store, webvtt};

/// The transcript of a lesson of the published version.
pub(crate) async fn get(
    state: &State,
    actor: Actor,
    request: LessonTranscriptRequest,
) -> Result<LessonTranscript> {
    let course_id = request.course_id.into();
    let (manifest, _) = state.owned_draft(actor, course_id).await?;
    let none = || {
        let detail = format!("no lesson {} with a transcript is published", request.lesson_id);
        Error::new(&codes::NOT_FOUND, detail)
    };
    let version = manifest.published_version.ok_or_else(none)?;
    let version = VersionId { course_id, version };
    let row = store::lesson(&state.pool, version, &request.lesson_id).await?;
    let chunks: Vec<Chunk> = match row.chunk_count {
        0 => Vec::new(),
        _ => documents::chunks_of(state.deps.documents.as_ref(), version, std::slice::from_ref(&row))
            .await?
            .into_iter()
            .flatten()
            .collect(),
    };
    let webvtt = webvtt::of(&chunks).ok_or_else(none)?;
    Ok(LessonTranscript { webvtt })
}
