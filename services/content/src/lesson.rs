//! The lessons of a version in reading order.

use smartcourse_proto::course::{Content, Lesson};

/// A lesson in the order of the course.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) lesson: &'a Lesson,
    pub(crate) module_title: &'a str,
    pub(crate) position: i32,
}

/// The lessons of a content in reading order.
pub(crate) fn lessons(content: &Content) -> Vec<Placed<'_>> {
    let lessons = content.modules.iter().flat_map(|module| {
        let title = module.title.as_str();
        module.lessons.iter().map(move |lesson| (lesson, title))
    });
    let placed = lessons.zip(0..).map(|((lesson, module_title), position)| Placed {
        lesson,
        module_title,
        position,
    });
    placed.collect()
}

/// Lessons of one plan: their titles are in the history of the workflow, and so are the activities of each.
const PAGE: usize = 200;

/// The page of a plan that begins with this lesson, and where the next one does.
pub(crate) fn page<T>(lessons: &[T], from: i32) -> (&[T], Option<i32>) {
    let from = usize::try_from(from).unwrap_or_default().min(lessons.len());
    let to = (from + PAGE).min(lessons.len());
    (&lessons[from..to], (to < lessons.len()).then(|| count(to)))
}

/// A title as the history of a workflow has it: a payload holds a page of them, and a summary 400 bytes.
pub(crate) fn shorten(title: &str) -> String {
    title.chars().take(40).collect()
}

pub(crate) fn asset_ids(lesson: &Lesson) -> impl Iterator<Item = &str> {
    let content = lesson.content.iter();
    let ids = content.flat_map(|content| [&content.asset_id, &content.transcript_asset_id]);
    ids.flatten().map(String::as_str).filter(|id| !id.is_empty())
}

/// A number of things as the wire carries it.
pub(crate) fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
