//! `smartcourse backup` and `restore`: rows, documents, files and the event log of any line-up, in one directory. Vectors and search
//! entries are made from them, and Temporal's runs are begun again by the reconciler.

mod documents;
mod files;
mod log;
mod make;
mod place;
mod restore;
mod rows;

pub(crate) use make::run as make;
pub(crate) use restore::run as restore;
