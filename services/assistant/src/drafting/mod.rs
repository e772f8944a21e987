//! What may be made of lessons without a model: sentences that tell most, what is defined, and questions about it. Pure functions; every
//! word of a draft stands in a lesson but for the templates of [`wording`].

mod choice;
mod definition;
mod piece;
mod quiz;
mod summary;
mod wording;

use smartcourse_proto::assistant::{DraftKind, Drafted, GeneratedDraft};

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

/// The draft of what its lessons gave, in their order; `None` when that is nothing.
pub(crate) fn draft(kind: DraftKind, language: &str, parts: Vec<Drafted>) -> Option<GeneratedDraft> {
    let draft = match kind {
        DraftKind::Quiz => quiz::draft(language, parts),
        _ => wording::draft(kind, language, choice::of(kind, parts)),
    };
    let is_empty = draft.citations.is_empty();
    (!is_empty).then_some(draft)
}
