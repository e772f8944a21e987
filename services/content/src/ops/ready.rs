//! The end of content processing: everything counted, then the search index.

use smartcourse_platform::{
    Error, Result,
    error::{first_few, to_json},
    fault,
    ports::{Unit, search::Entry},
    postgres,
};
use smartcourse_proto::{
    content::{IndexReply, Readiness},
    course::{Content, Manifest, Warning},
    ids::VersionId,
};
use sqlx::PgConnection;

use super::findable;
use crate::{
    State,
    chunk::anchor,
    codes,
    documents::{self, READ_BATCH},
    language,
    lesson::count,
    store::{self, LessonRow},
    version_lock::{self, Write},
};

/// Warnings that a publish shows; they pass through its history.
const MOST_WARNINGS: usize = 200;

/// Counts chunks against vectors, and says whether every lesson can be asked about.
pub(crate) async fn mark(state: &State, version: VersionId) -> Result<Readiness> {
    let mut tx = version_lock::begin_write(state, version).await?;
    let embedder = state.embedder(&mut *tx, version).await?;
    let rows = store::lessons(&mut *tx, version).await?;
    if let Some(open) = rows.iter().find(|row| !row.is_done()) {
        let detail = format!("the lesson {} was not extracted", open.lesson_id);
        return Err(Error::internal(detail));
    }
    let chunks: i64 = rows.iter().map(|row| i64::from(row.chunk_count)).sum();
    let warnings: Vec<Warning> = rows.iter().filter_map(LessonRow::warning).collect();
    if chunks == 0 {
        let reason = |row: &LessonRow| Some(format!("“{}”: {}", row.title, row.warning_message.as_deref()?));
        let reasons = first_few(rows.iter().filter_map(reason));
        let reasons = reasons.unwrap_or_else(|| "there are only quizzes".to_owned());
        let detail = format!("no lesson has usable text ({reasons})");
        return Err(Error::new(&codes::NO_USABLE_LESSON, detail));
    }
    let vectors = state.deps.vectors.count(embedder.model(), version).await?;
    if chunks != vectors {
        let detail = format!("{version} has {chunks} chunks and {vectors} vectors");
        return Err(Error::internal(detail));
    }
    let ai_ready = rows
        .iter()
        .all(|row| row.chunk_count > 0 || row.warning().is_none());
    let stored = to_json(&warnings)?;
    sqlx::query!(
        "update content.versions set ai_ready = $3, warnings = $4 where course_id = $1 and version = $2",
        version.course_id.0,
        version.version,
        ai_ready,
        stored
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "content.mark_ai_ready").await?;
    let mut warnings = warnings;
    warnings.truncate(MOST_WARNINGS);
    let number = |count: i64| i32::try_from(count).unwrap_or(i32::MAX);
    Ok(Readiness {
        ai_ready,
        warnings,
        chunks: number(chunks),
        vectors: number(vectors),
    })
}

/// Writes the search entries of a version: the course itself and every chunk. Warns of lessons they do not help to find.
pub(crate) async fn index(state: &State, version: VersionId) -> Result<IndexReply> {
    version_lock::require_open(&state.pool, version).await?;
    let known = state.manifest(version.course_id, version.version).await?;
    let mut write = Write::begin(state, version).await?;
    postgres::be_patient(&mut write.tx).await?;
    let (language, entries) = entries(state, &mut write.tx, version, &known).await?;
    let search = &state.deps.search;
    search.put_version(version, &language, &entries).await?;
    fault::point("content.index_course", "before_commit");
    write.commit().await?;
    fault::point("content.index_course", "after_commit");
    let mut warnings = findable::warnings(state, version, &entries).await?;
    warnings.truncate(MOST_WARNINGS);
    Ok(IndexReply {
        entries: count(entries.len()),
        warnings,
    })
}

/// The language of a version, and its search entries, from what the course service knows of it and its chunks.
pub(crate) async fn entries(
    state: &State,
    connection: &mut PgConnection,
    version: VersionId,
    (manifest, content): &(Manifest, Content),
) -> Result<(String, Vec<Entry>)> {
    let mut titles = Vec::new();
    for module in &content.modules {
        titles.push(module.title.as_str());
        titles.extend(module.lessons.iter().map(|lesson| lesson.title.as_str()));
    }
    let mut entries = vec![Entry {
        unit: Unit::new("", ""),
        title: manifest.course_title.clone(),
        heading: String::new(),
        body: titles.join("\n"),
    }];
    let mut with_text = store::lessons(connection, version).await?;
    with_text.retain(|row| row.chunk_count > 0);
    for batch in with_text.chunks(READ_BATCH) {
        let chunks = documents::chunks_of(state.deps.documents.as_ref(), version, batch).await?;
        entries.extend(batch.iter().zip(chunks).flat_map(|(row, chunks)| {
            chunks.into_iter().map(|chunk| Entry {
                unit: Unit::new(&row.lesson_id, anchor(chunk.ordinal)),
                title: row.title.clone(),
                heading: chunk.heading,
                body: chunk.text,
            })
        }));
    }
    let bodies = entries.iter().map(|entry| entry.body.as_str());
    let language = match &manifest.language {
        Some(named) => named.clone(),
        // The course's own entry is a list of titles.
        None => language::guess(bodies.skip(1)).to_owned(),
    };
    Ok((language, entries))
}
