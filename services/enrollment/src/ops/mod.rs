//! One file per use case: the rules, in terms of rows and the services next door.

pub(crate) mod access;
pub(crate) mod enroll;
pub(crate) mod leave;
pub(crate) mod onboarding;
pub(crate) mod prepare;
pub(crate) mod read;
pub(crate) mod seats;
