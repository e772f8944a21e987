//! Ports: what the services need of an engine, and no more. Traits and values only; the adapters are in the crate
//! `engines`, which no service can name, so nothing outside of it knows which adapter is in use.
//!
//! A port says what it promises and what it does not. An adapter is right when it passes the contract suite of its port
//! (`engines/tests/contracts`).
//!
//! Stores – documents, files, vectors, search – are away now and then: a call ends in time then, as `unavailable`. It is not promised
//! whether a write that ended so was done: it may be, now or a moment later, and calling it again is right either way.

pub mod announcements;
pub mod answers;
pub mod documents;
pub mod embeddings;
pub mod event_log;
pub mod files;
pub mod mail;
pub mod push;
pub mod rate_limits;
pub mod search;
pub mod shared_reads;
pub mod sms;
pub mod task_dispatch;
pub mod transcription;
pub mod vectors;
pub mod workflows;

/// A piece of a lesson that is found by itself: a chunk, or later a sentence, a caption or the row of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    /// The lesson; empty for the course itself.
    pub lesson_id: String,
    /// Names the unit in its lesson. The content service chooses it, such that the bytes of anchors are in reading order;
    /// an engine only keeps and returns it.
    pub anchor: String,
}

impl Unit {
    /// A unit of a lesson.
    pub fn new(lesson_id: impl Into<String>, anchor: impl Into<String>) -> Self {
        Self {
            lesson_id: lesson_id.into(),
            anchor: anchor.into(),
        }
    }
}
