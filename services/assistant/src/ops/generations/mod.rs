//! Drafts that are made of a published version: asked for, followed, cancelled, and taken into the course.

mod asked;
mod healed;
mod made;
mod status;
mod store;
mod taken;
mod written;

pub(crate) use asked::{cancel, generate};
pub(crate) use healed::{open, restart};
pub(crate) use made::{begin, complete, draft_lesson, finish, plan, report};
pub(crate) use status::get;
pub(crate) use store::forget;
pub(crate) use taken::take;
