//! One file per use case.

pub(crate) mod awaiting;
pub(crate) mod numbers;
pub(crate) mod reports;
pub(crate) mod trends;
