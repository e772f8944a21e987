//! What is made of lessons without a model: sentences that tell most, what is defined, and questions about it. Pure functions; every
//! word of such a draft stands in a lesson but for the templates of [`wording`].

mod choice;
mod definition;
mod piece;
mod quiz;
mod summary;
mod wording;

use smartcourse_proto::{
    assistant::{DraftKind, Drafted, GeneratedDraft},
    content::Passage,
};

pub(crate) use piece::Lesson;

/// What one lesson gives to a draft of this kind.
pub(crate) fn of_lesson(kind: DraftKind, lesson: &Lesson<'_>) -> Vec<Drafted> {
    match kind {
        DraftKind::Summary => summary::of(lesson),
        DraftKind::Objectives => definition::objectives(lesson),
        DraftKind::Glossary | DraftKind::Quiz => definition::of(lesson),
        DraftKind::Unspecified => Vec::new(),
    }
}

/// The passages that a model is to sum up where there is one: those that tell most of the lesson, in their order.
pub(crate) fn to_be_told(kind: DraftKind, lesson: &Lesson<'_>) -> Vec<Passage> {
    match kind {
        DraftKind::Summary => summary::passages(lesson),
        _ => Vec::new(),
    }
}

/// What a model is asked to do with them, in a language (BCP 47).
pub(crate) fn sum_up(language: &str) -> &'static str {
    wording::of(language).sum_up
}

/// The draft of what its lessons gave, in their order; `None` when that is nothing.
pub(crate) fn draft(kind: DraftKind, language: &str, parts: Vec<Drafted>) -> Option<GeneratedDraft> {
    let draft = match kind {
        DraftKind::Quiz => quiz::draft(language, parts),
        _ => wording::draft(kind, language, choice::of(kind, parts)),
    };
    let is_empty = draft.citations.is_empty();
    (!is_empty).then_some(draft)
}
