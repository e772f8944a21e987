//! Which lessons of a version have to be extracted; the chunks of the others are taken over.

use std::collections::HashMap;

use smartcourse_platform::{Result, fault, postgres::Tx};
use smartcourse_proto::{
    content::{LessonPlan, LessonTask, PlanRequest},
    course::LessonType,
    ids::VersionId,
};
use smartcourse_text::EXTRACTOR_VERSION;

use crate::{
    State,
    documents::{self, READ_BATCH, chunks_key},
    lesson::{Placed, count, lessons, page, shorten},
    lesson_source::lesson_hash,
    store::{self, LessonRow, LessonState},
    version_lock,
};

pub(crate) async fn plan(state: &State, request: PlanRequest) -> Result<LessonPlan> {
    let version = VersionId::new(request.course_id, request.version);
    let saved = state.saved(version).await?;
    let content = &saved.content;
    let all = lessons(content);
    let (placed, next_from) = page(&all, request.from);
    // A lesson that lost its text is written to the vectors before any is embedded.
    let main = state.deps.models.main();
    state
        .deps
        .vectors
        .prepare(main.model(), main.dimensions())
        .await?;
    let mut tx = version_lock::begin_write(state, version).await?;
    let assets = store::assets_of(&mut *tx, content).await?;
    let hashes: Vec<String> = placed
        .iter()
        .map(|placed| {
            lesson_hash(
                placed.lesson,
                &assets,
                state.chunk_words,
                state.deps.sandbox.tools(),
            )
        })
        .collect();
    let mut tasks = Vec::new();
    let ids: Vec<String> = placed.iter().map(|placed| placed.lesson.id.clone()).collect();
    let current: HashMap<String, LessonRow> = store::lessons_of(&mut *tx, version, &ids)
        .await?
        .into_iter()
        .map(|row| (row.lesson_id.clone(), row))
        .collect();
    // A retry finds what an earlier try has extracted; it only has to do the rest.
    let (kept, fresh): (Vec<_>, Vec<_>) = placed.iter().zip(&hashes).partition(|(placed, hash)| {
        current
            .get(&placed.lesson.id)
            .is_some_and(|row| row.is_done() && row.source_hash == **hash)
    });
    for (placed, hash) in kept {
        put(&mut tx, version, *placed, hash, None).await?;
    }
    let mut reused = take_over(state, &mut tx, version, &fresh).await?;
    for (placed, hash) in fresh {
        let id = &placed.lesson.id;
        let start = if placed.lesson.r#type() == LessonType::Quiz {
            LessonRow {
                state: LessonState::Quiz,
                ..LessonRow::default()
            }
        } else if let Some(row) = reused.remove(id) {
            row
        } else {
            tasks.push(LessonTask {
                lesson_id: id.clone(),
                title: shorten(&placed.lesson.title),
            });
            LessonRow::default()
        };
        put(&mut tx, version, *placed, hash, Some(start)).await?;
    }
    let ids: Vec<String> = all.iter().map(|placed| placed.lesson.id.clone()).collect();
    sqlx::query!(
        "delete from content.lessons where course_id = $1 and version = $2 and not lesson_id = any($3)",
        version.course_id.0,
        version.version,
        &ids
    )
    .execute(&mut *tx)
    .await?;
    fault::commit(tx, "content.plan_extraction").await?;
    Ok(LessonPlan {
        tasks,
        total_lessons: count(all.len()),
        next_from,
    })
}

/// Writes a lesson's row; without a start only what the manifest says about it is renewed.
async fn put(
    tx: &mut Tx,
    version: VersionId,
    placed: Placed<'_>,
    hash: &str,
    start: Option<LessonRow>,
) -> Result<()> {
    let renew = start.is_some();
    let start = start.unwrap_or_default();
    sqlx::query!(
        "insert into content.lessons as l (course_id, version, lesson_id, title, module_title, position, source_hash, extractor,
                                           state, warning_code, warning_message, chunk_count)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (course_id, version, lesson_id) do update set
             title = $4, module_title = $5, position = $6, source_hash = $7, extractor = $8,
             state = case when $13 then $9 else l.state end,
             warning_code = case when $13 then $10 else l.warning_code end,
             warning_message = case when $13 then $11 else l.warning_message end,
             chunk_count = case when $13 then $12 else l.chunk_count end",
        version.course_id.0,
        version.version,
        placed.lesson.id,
        placed.lesson.title,
        placed.module_title,
        placed.position,
        hash,
        EXTRACTOR_VERSION,
        start.state.as_text(),
        start.warning_code,
        start.warning_message,
        start.chunk_count,
        renew
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Copies the chunks of lessons whose source an earlier version has extracted; answers those lessons.
async fn take_over(
    state: &State,
    tx: &mut Tx,
    version: VersionId,
    fresh: &[(&Placed<'_>, &String)],
) -> Result<HashMap<String, LessonRow>> {
    let ids: Vec<String> = fresh.iter().map(|(placed, _)| placed.lesson.id.clone()).collect();
    let hashes: Vec<String> = fresh.iter().map(|(_, hash)| (*hash).clone()).collect();
    let found = sqlx::query_as!(
        LessonRow,
        "select distinct on (l.lesson_id) l.lesson_id, l.version, l.title, l.module_title, l.source_hash, l.state,
                l.warning_code, l.warning_message, l.chunk_count
         from unnest($3::text[], $4::text[]) as wanted(lesson_id, source_hash)
         join content.lessons l on l.lesson_id = wanted.lesson_id and l.source_hash = wanted.source_hash
         join content.versions v on v.course_id = l.course_id and v.version = l.version
         where l.course_id = $1 and l.version < $2 and l.extractor = $5 and l.state in ('extracted', 'skipped')
           and v.state = 'open'
           -- A parser that ran out of time or memory once may have met a busy machine, and what recognises the text of a scan
           -- may be there now, or what transcribes a recording: such a lesson is tried again.
           and coalesce(l.warning_code, '') not in ('parser_timeout', 'parser_crashed', 'parser_limit', 'no_text_layer')
           and not ($6 and coalesce(l.warning_code, '') = 'needs_transcript')
         order by l.lesson_id, l.version desc",
        version.course_id.0,
        version.version,
        &ids,
        &hashes,
        EXTRACTOR_VERSION,
        state.deps.transcriber.is_some()
    )
    .fetch_all(&mut **tx)
    .await?;
    let documents = state.deps.documents.as_ref();
    let mut reused = HashMap::new();
    for batch in found.chunks(READ_BATCH) {
        let from = |row: &LessonRow| VersionId::new(version.course_id, row.version);
        let keys = batch.iter().map(|row| chunks_key(from(row), &row.lesson_id));
        let keys: Vec<String> = keys.collect();
        let mut chunks = documents::chunks_by_key(documents, &keys).await?;
        for (row, key) in batch.iter().zip(&keys) {
            if row.state == LessonState::Extracted {
                // A document that is gone is no reason to fail: the lesson is extracted again.
                let Some(chunks) = chunks.remove(key) else {
                    continue;
                };
                documents::put_chunks(documents, version, &row.lesson_id, chunks).await?;
            }
            reused.insert(row.lesson_id.clone(), row.clone());
        }
    }
    Ok(reused)
}
