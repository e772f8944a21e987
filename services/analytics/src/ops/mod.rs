//! One file per use case.

pub(crate) mod awaiting;
pub(crate) mod metrics;
pub(crate) mod reports;
pub(crate) mod trends;
