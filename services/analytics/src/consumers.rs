//! The consumer group that counts.

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{Consumer, Event},
};
use sqlx::PgConnection;

use crate::facts;

/// Name of the consumer group.
pub const GROUP: &str = "analytics.counter";

/// Counts events.
#[derive(Debug, Clone, Copy)]
pub struct Counter;

#[async_trait]
impl Consumer for Counter {
    fn group(&self) -> &'static str {
        GROUP
    }

    fn wants(&self, event_type: &str) -> bool {
        facts::count(event_type)
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> Result<()> {
        self.handle_all(tx, &[event]).await
    }

    async fn handle_all(&self, tx: &mut PgConnection, events: &[&Event]) -> Result<()> {
        facts::counted(tx, events).await
    }
}
