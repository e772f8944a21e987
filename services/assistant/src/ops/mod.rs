//! One file per use case.

pub(crate) mod ask;
pub(crate) mod conversations;
mod draft;
mod from_course;
mod spending;
pub(crate) mod sweep;
