//! Waiting until an event is counted.
//!
//! Any number of waiters share one look at the group's position per [`LOOK`], so that a rush of enrollments costs the
//! database no more than one.

use std::time::Duration;

use smartcourse_platform::{Error, Result, error::codes};
use sqlx::PgPool;
use tokio::{sync::Mutex, time::Instant};
use uuid::Uuid;

use crate::counter::GROUP;

/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(25);

/// How far the group has read.
pub(crate) struct Counted {
    pool: PgPool,
    seen: Mutex<(Instant, i64)>,
}

impl Counted {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            seen: Mutex::new((Instant::now(), 0)),
        }
    }

    /// Waits for an event, up to `wait`; answers whether it is counted. One that was parked is not.
    pub(crate) async fn wait_for(&self, event_id: &str, wait: Duration) -> Result<bool> {
        let id: Uuid = event_id
            .parse()
            .map_err(|_| Error::new(&codes::VALIDATION_FAILED, "event_id is not an id"))?;
        let deadline = Instant::now() + wait;
        let mut position = None;
        loop {
            if position.is_none() {
                position = self.position_of(id).await?;
            }
            if let Some(position) = position
                && self.reached(position).await?
            {
                return self.is_counted(id).await;
            }
            if Instant::now() >= deadline {
                return Ok(false);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn position_of(&self, id: Uuid) -> Result<Option<i64>> {
        let position = sqlx::query_scalar!("select position from platform.events where id = $1", id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(position.flatten())
    }

    async fn reached(&self, position: i64) -> Result<bool> {
        let mut seen = self.seen.lock().await;
        if seen.1 < position && seen.0.elapsed() >= LOOK {
            let now = sqlx::query_scalar!(
                "select position from platform.event_groups where name = $1",
                GROUP
            )
            .fetch_optional(&self.pool)
            .await?;
            *seen = (Instant::now(), now.unwrap_or(0));
        }
        Ok(seen.1 >= position)
    }

    /// Whether an event the group has reached is counted: all are but those it had to park.
    async fn is_counted(&self, id: Uuid) -> Result<bool> {
        Ok(sqlx::query_scalar!(
            r#"select not exists (
                 select from platform.parked_events where group_name = $1 and event_id = $2) as "counted!""#,
            GROUP,
            id
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
