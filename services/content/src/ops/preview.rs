//! What publishing the draft now would do, without doing it.

use std::collections::{HashMap, HashSet};

use smartcourse_platform::{Result, grpc::Actor};
use smartcourse_proto::{
    content::{Change, LessonChange, Preview},
    course::{Lesson, LessonType, Warning},
    ids::{CourseId, VersionId},
};
use smartcourse_text::{Chunk, ExtractError, SourceKind};

use super::embed::count_unknown;
use crate::{
    State,
    chunk::{self, embedded_text, text_hash},
    lesson::{self, lessons},
    lesson_source::{self, Source, lesson_hash},
    parser::{parsing, unreadable},
    store::{self, LessonRow},
};

pub(crate) async fn preview(state: &State, actor: Actor, course_id: CourseId) -> Result<Preview> {
    let (manifest, draft) = state.owned_draft(actor, course_id).await?;
    let published = match manifest.published_version {
        Some(version) => store::lessons(&state.pool, VersionId { course_id, version }).await?,
        None => Vec::new(),
    };
    let before = published.iter().map(|row| (row.lesson_id.as_str(), row));
    let before: HashMap<&str, &LessonRow> = before.collect();
    let assets = store::assets_of(&state.pool, &draft).await?;
    let mut changes = Vec::new();
    let mut warnings = Vec::new();
    let mut texts = Vec::new();
    let mut from_files = 0_i32;
    let mut kept = HashSet::new();
    for placed in lessons(&draft) {
        let lesson = placed.lesson;
        kept.insert(lesson.id.as_str());
        let old = before.get(lesson.id.as_str());
        let change = match old {
            None => Change::Added,
            Some(row) if row.title != lesson.title => Change::Changed,
            Some(row)
                if row.source_hash
                    == lesson_hash(lesson, &assets, state.chunk_words, state.deps.sandbox.tools()) =>
            {
                Change::Unchanged
            }
            Some(_) => Change::Changed,
        };
        changes.push(LessonChange {
            lesson_id: lesson.id.clone(),
            title: lesson.title.clone(),
            change: change.into(),
        });
        let warn = |code: &str, message: String| Warning {
            lesson_id: lesson.id.clone(),
            code: code.to_owned(),
            message,
        };
        if lesson.r#type() != LessonType::Quiz {
            let lost = lesson::asset_ids(lesson).filter(|id| !assets.contains_key(*id));
            warnings.extend(lost.map(|id| warn("asset_missing", format!("the file {id} is not there"))));
        }
        match lesson_source::source(lesson, &assets) {
            Ok(Source::Markdown(text)) if change != Change::Unchanged => texts.push((lesson, text)),
            Ok(Source::File(_, kind)) if let Some(lack) = state.deps.sandbox.tools().lack(kind) => {
                warnings.push(warn(lack.code(), lack.to_string()));
            }
            Ok(Source::File(..)) if change != Change::Unchanged => {
                from_files += old.map_or(0, |row| row.chunk_count)
            }
            Ok(Source::None(skip)) => warnings.push(warn(&skip.code, skip.message)),
            // A file that is not there is in the warnings already.
            Ok(_) | Err(_) => {}
        }
    }
    let removed = published
        .iter()
        .filter(|row| !kept.contains(row.lesson_id.as_str()));
    changes.extend(removed.map(|row| LessonChange {
        lesson_id: row.lesson_id.clone(),
        title: row.title.clone(),
        change: Change::Removed.into(),
    }));
    let (hashes, unread) = read(state, &texts).await?;
    warnings.extend(unread);
    let unknown = count_unknown(state, &hashes).await?;
    let chunks_to_embed = unknown.saturating_add(from_files);
    Ok(Preview {
        course_id: course_id.0,
        lessons: changes,
        chunks_to_embed,
        warnings,
    })
}

/// Reads the texts of lessons: the hashes of everything the model would be asked for, and a warning for each text
/// that publishing would leave out.
async fn read(state: &State, texts: &[(&Lesson, &str)]) -> Result<(Vec<String>, Vec<Warning>)> {
    let (mut hashes, mut warnings) = (Vec::new(), Vec::new());
    let markdown: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
    let each = |place: usize, outcome: std::result::Result<Vec<Chunk>, ExtractError>| {
        let (lesson, _) = texts[place];
        match outcome {
            Ok(passages) => {
                let chunks = chunk::chunks(passages);
                let texts = chunks.iter().map(|chunk| embedded_text(&lesson.title, chunk));
                hashes.extend(texts.map(|text| text_hash(&text)));
            }
            Err(error) => warnings.push(Warning {
                lesson_id: lesson.id.clone(),
                code: error.code().to_owned(),
                message: error.to_string(),
            }),
        }
    };
    let (kind, sandbox) = (SourceKind::Markdown, &state.deps.sandbox);
    let run = sandbox.read_texts(kind, &markdown, state.chunk_words, each);
    parsing(run).await.map_err(unreadable)?;
    Ok((hashes, warnings))
}
