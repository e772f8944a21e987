//! The event log ports: what transactions left in the outbox, carried to consumer groups; and the log as a whole.
//!
//! Order is kept per key. A group may be given an event more than once; the inbox beside its effect
//! ([`crate::events`]) sees to it that it has that effect once.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{PgPool, types::time::OffsetDateTime};

use crate::{
    error::Result,
    events::{Consumer, Event},
    lifecycle::Lifecycle,
};

/// What one round moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Events.
    pub count: i64,
    /// The round ended because it was full: the next has something to do at once.
    pub more: bool,
}

/// How far a group may be behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Lag {
    /// The group.
    pub group: String,
    /// Events of the log after the one up to which it was given all: it lacks no more than these.
    pub events: i64,
    /// Age of the first of them, in seconds; 0 when there is none.
    pub seconds: f64,
}

/// An event log.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Makes what it needs, such as topics; again is nothing.
    async fn prepare(&self) -> Result<()>;
    /// Takes over what committed transactions have left in the outbox. Any number of processes may do this at once; one of
    /// them is at it.
    async fn publish(&self) -> Result<Moved>;
    /// Gives a group its events until the process stops, waiting for a server that is away. The group takes them in
    /// transactions of this pool, in one process at a time.
    async fn deliver(&self, pool: PgPool, consumer: Arc<dyn Consumer>, life: Lifecycle) -> Result<()>;
    /// Takes what other systems ask for, where the log has a way in for them, until the process stops.
    async fn accept(&self, life: Lifecycle) -> Result<()>;
    /// How far every group there is may be behind.
    async fn lags(&self) -> Result<Vec<Lag>>;
}

/// The log from its first event, wherever its parts are.
#[async_trait]
pub trait EventHistory: Send + Sync {
    /// What a group was given, once more from the beginning.
    fn replay(&self, group: &'static str) -> Box<dyn Replay>;
    /// Makes room for the events to come, and takes the oldest part of the log that ended before this time, if there is one
    /// and nobody needs it any more, to where it is only kept. Answers how many events left the table.
    async fn sweep(&self, now: OffsetDateTime, before: Option<OffsetDateTime>) -> Result<u64>;
}

/// The log as one group was given it. The group goes on meanwhile.
#[async_trait]
pub trait Replay: Send {
    /// The next events in the order of the log, at most so many, wanted or not and parked ones as well; fewer when the group
    /// has not been given more so far. Fails with `unavailable` when a part of the log moved meanwhile: begin again.
    async fn next(&mut self, limit: usize) -> Result<Vec<Event>>;
}
