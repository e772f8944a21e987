//! Lessons as sources of text, chunks, and names that are safe to store.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use smartcourse_platform::{Error, Result, error::codes};
use smartcourse_proto::{
    Wire,
    course::{Content, Lesson, LessonType},
};
use smartcourse_text::{EXTRACTOR_VERSION, SourceKind, source_hash};

use crate::store::AssetRow;

/// Longest file name in characters.
const MAX_FILENAME: usize = 255;

/// A warning of a lesson: a stable code and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skip {
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A lesson in the order of the course.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) lesson: &'a Lesson,
    pub(crate) module_title: &'a str,
    pub(crate) position: i32,
}

/// The lessons of a content in reading order.
pub(crate) fn lessons(content: &Content) -> Vec<Placed<'_>> {
    let all = content.modules.iter().flat_map(|module| {
        module
            .lessons
            .iter()
            .map(move |lesson| (lesson, module.title.as_str()))
    });
    (0..)
        .zip(all)
        .map(|(position, (lesson, module_title))| Placed {
            lesson,
            module_title,
            position,
        })
        .collect()
}

/// The files a lesson names.
pub(crate) fn asset_ids(lesson: &Lesson) -> impl Iterator<Item = &str> {
    let content = lesson.content.as_ref();
    let named =
        |pick: fn(&smartcourse_proto::course::LessonContent) -> Option<&String>| content.and_then(pick);
    [
        named(|content| content.asset_id.as_ref()),
        named(|content| content.transcript_asset_id.as_ref()),
    ]
    .into_iter()
    .flatten()
    .map(String::as_str)
    .filter(|id| !id.is_empty())
}

/// Where the text of a lesson comes from.
#[derive(Debug, Clone)]
pub(crate) enum Source<'a> {
    /// The lesson itself.
    Markdown(&'a str),
    /// A file.
    File(&'a AssetRow, SourceKind),
    /// Nowhere, which is a warning.
    None(Skip),
    /// A quiz is asked, not read.
    Quiz,
}

/// Finds the source of a lesson's text.
///
/// # Errors
/// `asset_missing` when the lesson names a file that is not there.
pub(crate) fn source<'a>(lesson: &'a Lesson, assets: &'a HashMap<String, AssetRow>) -> Result<Source<'a>> {
    let content = lesson.content.as_ref();
    let file = content
        .and_then(|content| content.asset_id.as_deref())
        .filter(|id| !id.is_empty());
    let markdown = content
        .and_then(|content| content.markdown.as_deref())
        .filter(|text| !text.trim().is_empty());
    let id = match lesson.r#type() {
        LessonType::Quiz => return Ok(Source::Quiz),
        LessonType::Text if markdown.is_some() => return Ok(Source::Markdown(markdown.unwrap_or_default())),
        LessonType::Video | LessonType::Audio => {
            let transcript = content
                .and_then(|content| content.transcript_asset_id.as_deref())
                .filter(|id| !id.is_empty());
            match transcript {
                None => return Ok(Source::None(needs_transcript())),
                some => some,
            }
        }
        _ => file,
    };
    let Some(id) = id else {
        return Ok(Source::None(no_text("the lesson has no text and no file")));
    };
    let asset = assets.get(id).ok_or_else(|| missing(lesson, id))?;
    match asset.kind() {
        Some(kind) => Ok(Source::File(asset, kind)),
        None => Ok(Source::None(no_text("the file is of a type without text"))),
    }
}

/// A recording whose words nobody wrote down.
pub(crate) fn needs_transcript() -> Skip {
    Skip {
        code: "needs_transcript".to_owned(),
        message: "the recording has no transcript".to_owned(),
    }
}

fn no_text(message: &str) -> Skip {
    Skip {
        code: "no_text".to_owned(),
        message: message.to_owned(),
    }
}

/// A lesson that names a file which is not there.
pub(crate) fn missing(lesson: &Lesson, asset_id: &str) -> Error {
    Error::new(
        &codes::ASSET_MISSING,
        format!(
            "the lesson “{}” names the file {asset_id}, which is not there",
            lesson.title
        ),
    )
}

/// Identity of what a lesson's chunks are made from. The title is not part of it: chunks do not hold it.
pub(crate) fn lesson_hash(lesson: &Lesson, assets: &HashMap<String, AssetRow>, chunk_words: usize) -> String {
    let content = lesson.content.as_ref();
    let sha = |id: Option<&String>| {
        id.map_or("", |id| {
            assets.get(id).map_or(id.as_str(), |asset| asset.sha256.as_str())
        })
        .to_owned()
    };
    source_hash([
        lesson.r#type().as_text().to_owned(),
        content
            .and_then(|content| content.markdown.clone())
            .unwrap_or_default(),
        sha(content.and_then(|content| content.asset_id.as_ref())),
        sha(content.and_then(|content| content.transcript_asset_id.as_ref())),
        EXTRACTOR_VERSION.to_owned(),
        chunk_words.to_string(),
    ])
}

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
        })
        .collect()
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

/// Identity of an embedded text; together with the model it names an embedding.
pub(crate) fn text_hash(text: &str) -> String {
    source_hash([text])
}

/// A name without directories and control characters.
pub(crate) fn clean_filename(name: &str) -> Result<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).collect();
    let clean = clean.trim();
    if clean.is_empty() || clean == "." || clean == ".." {
        return Err(Error::new(
            &codes::VALIDATION_FAILED,
            "filename must not be empty",
        ));
    }
    if clean.chars().count() > MAX_FILENAME {
        return Err(Error::new(
            &codes::VALIDATION_FAILED,
            format!("filename must have at most {MAX_FILENAME} characters"),
        ));
    }
    Ok(clean.to_owned())
}

/// A number of things as the wire carries it.
pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use smartcourse_proto::course::LessonContent;

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
            lesson_hash(&text("a"), &none, 150),
            lesson_hash(&renamed, &none, 150)
        );
        assert_ne!(
            lesson_hash(&text("a"), &none, 150),
            lesson_hash(&text("b"), &none, 150)
        );
        assert_ne!(
            lesson_hash(&text("a"), &none, 150),
            lesson_hash(&text("a"), &none, 100)
        );
        let pdf = lesson(
            LessonType::Pdf,
            LessonContent {
                asset_id: Some("a-1".to_owned()),
                ..LessonContent::default()
            },
        );
        let (one, two) = (asset("a-1", "11", Some("pdf")), asset("a-1", "22", Some("pdf")));
        assert_ne!(lesson_hash(&pdf, &one, 150), lesson_hash(&pdf, &two, 150));
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
        assert!(
            matches!(source(&pdf, &asset("a-1", "1", None)), Ok(Source::None(skip)) if skip.code == "no_text")
        );
    }

    #[test]
    fn names_lose_directories_and_control_characters() {
        assert_eq!(clean_filename("C:\\papers\\one.pdf").expect("a name"), "one.pdf");
        assert_eq!(
            clean_filename("../../etc/pass\u{0}wd\n").expect("a name"),
            "passwd"
        );
        assert!(
            clean_filename("..").is_err()
                && clean_filename("a/").is_err()
                && clean_filename("\u{7}").is_err()
        );
        assert!(clean_filename(&"x".repeat(256)).is_err() && clean_filename(&"ä".repeat(255)).is_ok());
    }
}
