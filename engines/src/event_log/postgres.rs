//! The event log in PostgreSQL: the outbox table itself.
//!
//! A row gets its `position` only after its commit, from one sequencer at a time (advisory lock), so a group that has
//! read position *p* has seen everything below it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{self, CHANNEL, Consumer, Event, READ_BATCH},
    fault,
    lifecycle::Lifecycle,
    ports::event_log::{EventLog, Lag, Moved},
    postgres::{self, Tx},
    waker::SharedWaker,
};
use sqlx::{PgConnection, PgPool};

/// Events that get their position in one transaction.
pub const PLACE_BATCH: i64 = 500;
/// Advisory lock of the sequencer; groups lock their own name's hash.
const SEQUENCER_LOCK: i64 = 0x5343_5345_5155;

/// The table.
pub struct Postgres {
    pool: PgPool,
    waker: SharedWaker,
}

impl Postgres {
    /// Over the pool of the engines, and that of its listeners; `poll` is the longest pause of a group that heard of nothing.
    pub fn new(pool: PgPool, listeners: PgPool, poll: Duration) -> Self {
        Self {
            waker: SharedWaker::new(listeners, CHANNEL, poll),
            pool,
        }
    }
}

#[async_trait]
impl EventLog for Postgres {
    /// The table is there.
    async fn prepare(&self) -> Result<()> {
        Ok(())
    }

    async fn publish(&self) -> Result<Moved> {
        place(&self.pool).await
    }

    async fn deliver(&self, pool: PgPool, consumer: Arc<dyn Consumer>, life: Lifecycle) -> Result<()> {
        let round = || deliver_batch(&pool, consumer.as_ref());
        self.waker.get(&life).work(consumer.group(), round).await;
        Ok(())
    }

    /// Others write to the database of the outbox.
    async fn accept(&self, life: Lifecycle) -> Result<()> {
        life.stopping().await;
        Ok(())
    }

    async fn lags(&self) -> Result<Vec<Lag>> {
        lags(&self.pool).await
    }
}

/// How far each group is behind.
pub(super) async fn lags(pool: &PgPool) -> Result<Vec<Lag>> {
    Ok(sqlx::query_as!(
        Lag,
        r#"select name as "group", greatest(0, (select max(position) from platform.events),
                  (select max(last_position) from platform.event_archives),
                  (select max(position) from platform.event_partitions)) - position as "events!",
               coalesce((select extract(epoch from now() - e.created_at) from platform.events e
                         where e.position > g.position order by e.position limit 1), 0)::float8 as "seconds!"
           from platform.event_groups g order by name"#
    )
    .fetch_all(pool)
    .await?)
}

/// Gives committed events their positions, and tells the groups.
pub async fn place(pool: &PgPool) -> Result<Moved> {
    place_and(pool, true).await
}

/// Gives committed events their positions for one who carries them to the groups.
#[cfg(feature = "real")]
pub(super) async fn place_silently(pool: &PgPool) -> Result<Moved> {
    place_and(pool, false).await
}

async fn place_and(pool: &PgPool, tell: bool) -> Result<Moved> {
    let mut tx = postgres::begin(pool).await?;
    let owner = sqlx::query_scalar!(
        "select pg_try_advisory_xact_lock($1) as \"owner!\"",
        SEQUENCER_LOCK
    )
    .fetch_one(&mut *tx)
    .await?;
    if !owner {
        return Ok(Moved::default());
    }
    let placed = sqlx::query!(
        "with unplaced as (
             select id, row_number() over (order by seq) as n from platform.events where position is null
             order by seq limit $1
         )
         update platform.events e set position = u.n + greatest(0, (select max(position) from platform.events),
             (select max(last_position) from platform.event_archives), (select max(position) from platform.event_partitions),
             (select max(position) from platform.event_groups))
         from unplaced u where e.id = u.id",
        PLACE_BATCH
    )
    .execute(&mut *tx)
    .await?
    .rows_affected() as i64;
    if placed > 0 {
        fault::point("relay.place", "before_commit");
    }
    if placed > 0 && tell {
        sqlx::query("select pg_notify($1, '')")
            .bind(CHANNEL)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(Moved {
        count: placed,
        more: placed == PLACE_BATCH,
    })
}

/// Gives a group its next batch, parked events first.
pub async fn deliver_batch(pool: &PgPool, consumer: &dyn Consumer) -> Result<Moved> {
    let group = consumer.group();
    let mut tx = postgres::begin(pool).await?;
    if !events::own_group(&mut tx, group).await? {
        return Ok(Moved::default());
    }
    let begins = sqlx::query!(
        "insert into platform.event_groups (name) values ($1) on conflict do nothing",
        group
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    if begins > 0 {
        tell_what_is_gone(&mut tx, group).await?;
    }
    // Parked events never take all the room: the others go on.
    let left = events::retry_parked(&mut tx, consumer, consumer.batch()).await?;
    let room = left.max(1);
    // Not a join: that would look through the whole log up to the position.
    let events = sqlx::query_as!(
        Event,
        "select e.id, e.type as event_type, e.key, e.position as \"position!\", e.payload, e.created_at,
             e.headers ->> 'traceparent' as traceparent
         from platform.events e
         where e.position > (select position from platform.event_groups where name = $1) order by e.position limit $2",
        group,
        READ_BATCH as i64
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut wanted = Vec::new();
    let mut seen = None;
    let mut moved = 0;
    for event in &events {
        if consumer.wants(&event.event_type) {
            if wanted.len() == room {
                break;
            }
            wanted.push(event);
        }
        seen = Some(event.position);
        moved += 1;
    }
    events::take(&mut tx, consumer, &wanted).await?;
    if let Some(position) = seen {
        sqlx::query!(
            "update platform.event_groups set position = $2 where name = $1",
            group,
            position
        )
        .execute(&mut *tx)
        .await?;
    }
    let taken = !wanted.is_empty() || left < consumer.batch();
    commit(tx, group, taken, moved > 0).await?;
    Ok(Moved {
        count: moved,
        more: left == 0 || wanted.len() == room || events.len() == READ_BATCH,
    })
}

/// Commits what a group was given: whether it took some of it, and whether its position moved.
pub(super) async fn commit(mut tx: Tx, group: &str, taken: bool, moved: bool) -> Result<()> {
    if taken {
        fault::point(&format!("consumer.{group}"), "before_commit");
    } else if moved {
        // Nothing but the position moved: losing that in a crash costs another look, so it need not wait for the disk.
        sqlx::query("set local synchronous_commit = off")
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    if taken {
        fault::point(&format!("consumer.{group}"), "after_commit");
    }
    Ok(())
}

/// Says in the log what a group that begins does not see.
pub(super) async fn tell_what_is_gone(tx: &mut PgConnection, group: &str) -> Result<()> {
    let gone = sqlx::query!(
        r#"select max(month) as "month!", sum(events)::bigint as "events!" from platform.event_archives having count(*) > 0"#
    )
    .fetch_optional(tx)
    .await?;
    if let Some(gone) = gone {
        tracing::warn!(
            group,
            events = gone.events,
            until = gone.month,
            "the group begins with what is left of the log: the months until then went to the files"
        );
    }
    Ok(())
}
