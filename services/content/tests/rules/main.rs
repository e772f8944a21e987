//! The rules of files and texts, over the service's own interface: what is taken, what a version is made of, what goes when.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod harness;
mod models;
mod part_uploads;
mod rebuilding;
mod sweeping;
mod uploads;
mod versions;
