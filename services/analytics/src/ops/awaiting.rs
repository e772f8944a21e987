//! Waiting until an event is counted.
//!
//! Those who wait at the same time share their queries, so that a rush of enrollments costs the database no more than one.

use std::{collections::HashMap, time::Duration};

use smartcourse_platform::{Error, Result, batch::Batch};
use smartcourse_proto::analytics::{AwaitAnalyticsRequest, AwaitedAnalytics};
use sqlx::PgPool;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{codes, consumers::GROUP};

/// Pause between two polls.
const POLL: Duration = Duration::from_millis(25);

/// What the group has taken.
pub(crate) struct Counted {
    pool: PgPool,
    queries: Batch<Uuid, bool>,
}

impl Counted {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self {
            pool,
            queries: Batch::default(),
        }
    }

    /// Waits for an event, for as long as is asked; answers whether it is counted. One that was parked is not.
    pub(crate) async fn wait_for(&self, request: AwaitAnalyticsRequest) -> Result<AwaitedAnalytics> {
        let wait = Duration::from_millis(u64::try_from(request.wait_ms).unwrap_or(0));
        let unread = |_| Error::new(&codes::VALIDATION_FAILED, "event_id is not an id");
        let id: Uuid = request.event_id.parse().map_err(unread)?;
        let deadline = Instant::now() + wait;
        loop {
            if let Some(counted) = self.queries.read(id, |ids| self.taken(ids)).await? {
                return Ok(AwaitedAnalytics { counted });
            }
            if Instant::now() >= deadline {
                return Ok(AwaitedAnalytics { counted: false });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Of these events, those the group was given: true when counted, false when parked.
    async fn taken(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, bool>> {
        let rows = sqlx::query!(
            r#"select event_id as "id!", true as "counted!" from platform.inbox
               where group_name = $1 and event_id = any($2)
               union all
               select event_id, false from platform.parked_events where group_name = $1 and event_id = any($2)"#,
            GROUP,
            &ids
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.id, row.counted)).collect())
    }
}
