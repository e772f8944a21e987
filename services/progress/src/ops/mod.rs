//! One file per use case: who may, one transaction under the enrollment's lock, commit.

pub(crate) mod attempts;
pub(crate) mod certificates;
pub(crate) mod complete;
pub(crate) mod initialise;
pub(crate) mod leave;
pub(crate) mod prepare;
pub(crate) mod read;
