//! One file per use case.

pub(crate) mod ask;
pub(crate) mod conversations;
mod draft;
pub(crate) mod elsewhere;
pub(crate) mod follow;
mod from_course;
pub(crate) mod generations;
pub(crate) mod questions;
mod searched;
mod spending;
pub(crate) mod sweep;
