//! Task dispatch in PostgreSQL: the rows are asked which of them are due.

use std::time::Duration;

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    lifecycle::Lifecycle,
    ports::{event_log::Moved, task_dispatch::TaskDispatch},
    tasks::CHANNEL,
    waker::SharedWaker,
};
use sqlx::PgPool;
use uuid::Uuid;

/// The rows of tasks.
pub struct Postgres {
    pool: PgPool,
    waker: SharedWaker,
}

impl Postgres {
    /// Over the pool of the engines, and that of its listeners; `poll` is the longest pause of whoever waits and hears of nothing.
    pub fn new(pool: PgPool, listeners: PgPool, poll: Duration) -> Self {
        Self {
            waker: SharedWaker::new(listeners, CHANNEL, poll),
            pool,
        }
    }

    /// New tasks, failed ones whose pause is over, and those whose holder let the lease run out.
    async fn due(&self, places: &[(&'static str, usize)]) -> Result<Vec<Uuid>> {
        let kinds: Vec<String> = places.iter().map(|(kind, _)| (*kind).to_owned()).collect();
        let free: Vec<i64> = places
            .iter()
            .map(|(_, free)| i64::try_from(*free).unwrap_or(i64::MAX))
            .collect();
        let ids = sqlx::query_scalar!(
            r#"select t.id as "id!" from unnest($1::text[], $2::bigint[]) as place (kind, free), lateral (
                 select id from platform.tasks
                 where kind = place.kind and state in ('queued', 'running') and coalesce(lease_until, next_try_at) <= now()
                 order by coalesce(lease_until, next_try_at) limit place.free) t"#,
            &kinds,
            &free
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ids)
    }
}

#[async_trait]
impl TaskDispatch for Postgres {
    fn channel(&self) -> Option<&'static str> {
        None
    }

    /// A row is its own offer.
    async fn offer(&self) -> Result<Moved> {
        Ok(Moved::default())
    }

    async fn next(&self, places: &[(&'static str, usize)], life: &Lifecycle) -> Result<Vec<Uuid>> {
        let mut waker = self.waker.get(life);
        while !waker.is_over() {
            waker.reset();
            let ids = self.due(places).await?;
            if !ids.is_empty() {
                return Ok(ids);
            }
            waker.wait().await;
        }
        Ok(Vec::new())
    }

    /// The row says it already.
    async fn acknowledge(&self, _: Uuid) -> Result<()> {
        Ok(())
    }

    /// As long as the row says it is due, it is told.
    fn give_back(&self, _: Uuid) {}
}
