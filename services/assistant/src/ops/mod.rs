//! One file per use case.

pub(crate) mod ask;
pub(crate) mod conversations;
pub(crate) mod sweep;
