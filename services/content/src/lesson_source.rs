//! Where the text of a lesson comes from, and the hash that tells whether it has changed.

use std::collections::HashMap;

use smartcourse_platform::{Error, Result};
use smartcourse_proto::{
    Wire,
    common::Problem,
    course::{Lesson, LessonContent, LessonType},
};
use smartcourse_text::{EXTRACTOR_VERSION, SourceKind, Tools, source_hash};

use crate::{codes, store::AssetRow};

/// Where the text of a lesson comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    /// The lesson itself.
    Markdown(&'a str),
    /// A file.
    File(&'a AssetRow, SourceKind),
    /// Nowhere, which is a warning.
    None(Problem),
    /// A quiz is asked, not read.
    Quiz,
}

/// Finds the source of a lesson's text.
/// Fails with `asset_missing` when the lesson names a file that is not there.
pub(crate) fn source<'a>(lesson: &'a Lesson, assets: &'a HashMap<String, AssetRow>) -> Result<Source<'a>> {
    let content = lesson.content.as_ref();
    let named = |pick: fn(&LessonContent) -> Option<&str>| content.and_then(pick);
    let file = named(|content| content.asset_id.as_deref()).filter(|id| !id.is_empty());
    let markdown = named(|content| content.markdown.as_deref()).filter(|text| !text.trim().is_empty());
    let id = match (lesson.r#type(), markdown) {
        (LessonType::Quiz, _) => return Ok(Source::Quiz),
        (LessonType::Text, Some(markdown)) => return Ok(Source::Markdown(markdown)),
        (LessonType::Video | LessonType::Audio, _) => {
            let transcript = named(|content| content.transcript_asset_id.as_deref());
            let recording = file
                .and_then(|id| assets.get(id))
                .filter(|asset| asset.kind() == Some(SourceKind::Recording));
            match (transcript.filter(|id| !id.is_empty()), recording) {
                // The recording may have subtitles in it.
                (None, Some(asset)) => return Ok(Source::File(asset, SourceKind::Recording)),
                (None, None) => {
                    return Ok(without_text(
                        "needs_transcript",
                        "the recording has no transcript",
                    ));
                }
                (some, _) => some,
            }
        }
        _ => file,
    };
    let Some(id) = id else {
        return Ok(without_text("no_text", "the lesson has no text and no file"));
    };
    let asset = assets.get(id).ok_or_else(|| missing(lesson, id))?;
    Ok(match asset.kind() {
        Some(kind) => Source::File(asset, kind),
        None => without_text("no_text", "the file is of a type without text"),
    })
}

/// A lesson that names a file which is not there.
pub(crate) fn missing(lesson: &Lesson, asset_id: &str) -> Error {
    let title = &lesson.title;
    let detail = format!("the lesson “{title}” names the file {asset_id}, which is not there");
    Error::new(&codes::ASSET_MISSING, detail)
}

/// Identity of what a lesson's chunks are made from. The title is not part of it: chunks do not hold it. A picture or a
/// recording is another thing once there is a program that reads it.
pub(crate) fn lesson_hash(
    lesson: &Lesson,
    assets: &HashMap<String, AssetRow>,
    chunk_words: usize,
    tools: &Tools,
) -> String {
    let content = lesson.content.clone().unwrap_or_default();
    let sha = |id: Option<String>| {
        let id = id.unwrap_or_default();
        assets.get(&id).map_or(id, |asset| asset.sha256.clone())
    };
    let by_a_tool = match source(lesson, assets) {
        Ok(Source::File(_, kind @ (SourceKind::Image | SourceKind::Recording))) => {
            tools.lack(kind).is_none().then(|| kind.as_str().to_owned())
        }
        _ => None,
    };
    let parts = [
        lesson.r#type().as_text().to_owned(),
        content.markdown.unwrap_or_default(),
        sha(content.asset_id),
        sha(content.transcript_asset_id),
        EXTRACTOR_VERSION.to_owned(),
        chunk_words.to_string(),
    ];
    source_hash(parts.into_iter().chain(by_a_tool))
}

fn without_text(code: &str, message: &str) -> Source<'static> {
    Source::None(Problem {
        code: code.to_owned(),
        message: message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson(kind: LessonType, content: LessonContent) -> Lesson {
        Lesson {
            title: "T".to_owned(),
            r#type: kind.into(),
            content: Some(content),
            ..Lesson::default()
        }
    }

    fn asset(id: &str, sha256: &str, kind: Option<&str>) -> HashMap<String, AssetRow> {
        let row = AssetRow {
            id: id.to_owned(),
            sha256: sha256.to_owned(),
            kind: kind.map(str::to_owned),
            ..AssetRow::sample()
        };
        HashMap::from([(id.to_owned(), row)])
    }

    #[test]
    fn the_hash_follows_the_source_and_not_the_title() {
        let text = |markdown: &str| {
            lesson(
                LessonType::Text,
                LessonContent {
                    markdown: Some(markdown.to_owned()),
                    ..LessonContent::default()
                },
            )
        };
        let none = HashMap::new();
        let renamed = Lesson {
            title: "Other".to_owned(),
            ..text("a")
        };
        assert_eq!(
            lesson_hash(&text("a"), &none, 150, &Tools::default()),
            lesson_hash(&renamed, &none, 150, &Tools::default())
        );
        assert_ne!(
            lesson_hash(&text("a"), &none, 150, &Tools::default()),
            lesson_hash(&text("b"), &none, 150, &Tools::default())
        );
        assert_ne!(
            lesson_hash(&text("a"), &none, 150, &Tools::default()),
            lesson_hash(&text("a"), &none, 100, &Tools::default())
        );
        let pdf = lesson(
            LessonType::Pdf,
            LessonContent {
                asset_id: Some("a-1".to_owned()),
                ..LessonContent::default()
            },
        );
        let (one, two) = (asset("a-1", "11", Some("pdf")), asset("a-1", "22", Some("pdf")));
        assert_ne!(
            lesson_hash(&pdf, &one, 150, &Tools::default()),
            lesson_hash(&pdf, &two, 150, &Tools::default())
        );
    }

    #[test]
    fn recordings_need_a_transcript_and_files_must_be_there() {
        let none = HashMap::new();
        let video = lesson(
            LessonType::Video,
            LessonContent {
                asset_id: Some("a-1".to_owned()),
                ..LessonContent::default()
            },
        );
        assert!(matches!(source(&video, &none), Ok(Source::None(skip)) if skip.code == "needs_transcript"));
        let pdf = lesson(
            LessonType::Pdf,
            LessonContent {
                asset_id: Some("a-1".to_owned()),
                ..LessonContent::default()
            },
        );
        assert!(
            source(&pdf, &none)
                .expect_err("missing")
                .is(&codes::ASSET_MISSING)
        );
        assert!(matches!(
            source(&pdf, &asset("a-1", "1", Some("pdf"))),
            Ok(Source::File(_, SourceKind::Pdf))
        ));
        let recording = HashMap::from([(
            "a-1".to_owned(),
            AssetRow {
                filename: "talk.mp4".to_owned(),
                content_type: "video/mp4".to_owned(),
                ..asset("a-1", "1", None).remove("a-1").expect("it is there")
            },
        )]);
        assert!(matches!(
            source(&video, &recording),
            Ok(Source::File(_, SourceKind::Recording))
        ));
    }
}
