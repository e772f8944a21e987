//! One file per use case: begin a transaction, check the rules, write rows and outbox, commit.

pub(crate) mod attempts;
pub(crate) mod cancel;
pub(crate) mod catalogue;
pub(crate) mod courses;
pub(crate) mod drafts;
pub(crate) mod flip;
pub(crate) mod publish;
pub(crate) mod read;
pub(crate) mod reconcile;
pub(crate) mod status;
pub(crate) mod sweep;
pub(crate) mod versions;
pub(crate) mod workers;
