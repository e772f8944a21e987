//! The operations of the service, one file per use case.

pub(crate) mod events;
pub(crate) mod runs;
pub(crate) mod sweep;
pub(crate) mod tasks;
