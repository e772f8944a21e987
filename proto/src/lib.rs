//! One schema for everything that crosses a process border.
//!
//! The `.proto` files under `smartcourse/` describe every service and event. From them follow the gRPC clients and
//! servers (feature `grpc`), the inputs and outputs of activities, the JSON of the HTTP contract ([`json`]), the
//! schemas of OpenAPI and AsyncAPI (feature `openapi`) and the payloads of events: no shape is written twice. [`Wire`]
//! gives enumerations the words used in JSON and in the database, [`ids`] the typed ids, [`limits`] what
//! requests may hold.

#![cfg_attr(
    feature = "grpc",
    expect(clippy::allow_attributes, reason = "the generated services carry `#[allow]`")
)]

#[cfg(feature = "openapi")]
pub mod catalogue;
pub mod ids;
pub mod json;
pub mod key;
pub mod limits;
#[cfg(feature = "grpc")]
pub mod stubs;

macro_rules! generated {
    ($package:literal) => {
        include!(concat!(env!("OUT_DIR"), "/", $package, ".rs"));
    };
}

/// Shapes shared by all services.
pub mod common {
    generated!("smartcourse.common");
}
/// Accounts, credentials and tokens.
pub mod user {
    generated!("smartcourse.user");
}
/// Courses, drafts, versions and publishing.
pub mod course {
    generated!("smartcourse.course");
}
/// Files, chunks, vectors and search.
pub mod content {
    generated!("smartcourse.content");
}
/// Questions and answers.
pub mod assistant {
    generated!("smartcourse.assistant");
}
/// Seats and access.
pub mod enrollment {
    generated!("smartcourse.enrollment");
}
/// Learners' progress.
pub mod progress {
    generated!("smartcourse.progress");
}
/// Messages to people: feed, channels, deliveries.
pub mod notification {
    generated!("smartcourse.notification");
}
/// Numbers made from the event log.
pub mod analytics {
    generated!("smartcourse.analytics");
}
/// Events nobody could take, tasks that were given up, and workflows.
pub mod operations {
    generated!("smartcourse.operations");
}
/// Payloads of the events in the outbox log.
pub mod events {
    generated!("smartcourse.events");
}

impl course::PublishState {
    /// Whether it is over, one way or another.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Bytes of a message between services at most: a course's content may be several megabytes.
pub const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// The compiled descriptors of every `.proto` file, for gRPC server reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// An enumeration and the snake_case words that stand for it in JSON and in the database.
pub trait Wire: Copy + Sized + TryFrom<i32> + Into<i32> {
    /// The word of this value, such as `"published"`.
    fn as_text(self) -> &'static str;
    /// The value a word stands for.
    fn from_text(text: &str) -> Option<Self>;
}

include!(concat!(env!("OUT_DIR"), "/wire.rs"));
