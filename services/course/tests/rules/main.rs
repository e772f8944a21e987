//! The rules of courses, over the service's own interface: drafts and who may edit them, publishes and their cancelling.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod cancelling;
mod catalogue;
mod drafts;
mod editing;
mod harness;
mod kept;
mod publishing;
