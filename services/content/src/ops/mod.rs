//! One file per operation or family of operations.

pub(crate) mod assets;
pub(crate) mod complete_upload;
pub(crate) mod copy_assets;
pub(crate) mod discard;
pub(crate) mod embed;
pub(crate) mod extract;
pub(crate) mod findable;
pub(crate) mod part_uploads;
pub(crate) mod plan_extraction;
pub(crate) mod preview;
pub(crate) mod readable;
pub(crate) mod ready;
pub(crate) mod rebuild;
pub(crate) mod retrieve;
pub(crate) mod search;
pub(crate) mod sweep;
pub(crate) mod tally;
pub(crate) mod transcribe;
pub(crate) mod transcript;
pub(crate) mod unused_uploads;
pub(crate) mod upload;
