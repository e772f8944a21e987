//! The lessons of a version in reading order, and why one is left out.

use smartcourse_proto::course::{Content, Lesson, LessonContent};

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
    let named = |pick: fn(&LessonContent) -> Option<&String>| content.and_then(pick);
    [
        named(|content| content.asset_id.as_ref()),
        named(|content| content.transcript_asset_id.as_ref()),
    ]
    .into_iter()
    .flatten()
    .map(String::as_str)
    .filter(|id| !id.is_empty())
}

/// A number of things as the wire carries it.
pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
