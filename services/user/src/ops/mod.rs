//! One file per use case.

pub(crate) mod refresh;
pub(crate) mod register;
pub(crate) mod role;
pub(crate) mod sessions;
pub(crate) mod sign_in;
