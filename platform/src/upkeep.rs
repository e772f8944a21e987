//! The clean-up of what is settled: rows that only said that something was done, once nobody can ask again.
//!
//! The log of events is not among them ([`EventHistory`](crate::ports::event_log::EventHistory)). A row of the inbox goes only
//! when its group has read past the event, so that the event cannot have its effect a second time.

use sqlx::{PgPool, Postgres, postgres::PgArguments, query::Query, types::time::OffsetDateTime};

use crate::{error::Result, open_writes};

/// Rows that go in one statement, so that none holds locks or the disk for long.
pub const BATCH: i64 = 5000;
/// Statements of each kind in one sweep, so that each sweep ends; the next one goes on.
const ROUNDS: usize = 200;

/// Removes rows that were settled before this time: of the inbox, done commands, done tasks, idempotency keys. Answers
/// how many; if it fails, what was removed until then stays removed.
pub async fn sweep(pool: &PgPool, before: OffsetDateTime) -> Result<u64> {
    // Rows of events a group has left behind, by its position; a group that was never heard of keeps its rows. What left the table
    // was given to all groups before, or is known by its place in a partition.
    let mut removed = batched(pool, || {
        sqlx::query!(
            "delete from platform.inbox i using (
                 select i.group_name, i.event_id from platform.inbox i
                 left join platform.events e on e.id = i.event_id
                 where i.done_at < $1 and (e.id is null or e.position <= (
                     select position from platform.event_groups g where g.name = i.group_name)) limit $2) old
             where i.group_name = old.group_name and i.event_id = old.event_id",
            before,
            BATCH
        )
    })
    .await?;
    // A command that was handed over: whoever asks for its workflow asks Temporal.
    removed += batched(pool, || {
        sqlx::query!(
            "delete from platform.outbox_commands where id in (
                 select id from platform.outbox_commands where done_at < $1 limit $2)",
            before,
            BATCH
        )
    })
    .await?;
    // Dead tasks stay until somebody has looked at them.
    removed += batched(pool, || {
        sqlx::query!(
            "delete from platform.tasks where id in (
                 select id from platform.tasks
                 where state = 'done' and finished_at < $1 limit $2)",
            before,
            BATCH
        )
    })
    .await?;
    // The answer to a request that nobody repeats any more.
    removed += batched(pool, || {
        sqlx::query!(
            "delete from platform.idempotency_keys where (scope, key) in (
                 select scope, key from platform.idempotency_keys
                 where created_at < $1 limit $2)",
            before,
            BATCH
        )
    })
    .await?;
    removed += batched(pool, || open_writes::expired(BATCH)).await?;
    Ok(removed)
}

/// Repeats a statement that removes up to [`BATCH`] rows until it finds fewer; answers how many rows went.
pub async fn batched<'q>(
    pool: &PgPool,
    statement: impl Fn() -> Query<'q, Postgres, PgArguments>,
) -> Result<u64> {
    let round = || {
        let statement = statement();
        async move { Ok(statement.execute(pool).await?.rows_affected()) }
    };
    in_rounds(BATCH, ROUNDS, round).await
}

/// Repeats what removes up to `batch` things until it finds fewer, so many times at most, so that each sweep ends; answers how
/// many went.
pub async fn in_rounds<F: Future<Output = Result<u64>>>(
    batch: i64,
    rounds: usize,
    round: impl Fn() -> F,
) -> Result<u64> {
    let mut removed = 0;
    for _ in 0..rounds {
        let count = round().await?;
        removed += count;
        if count < batch.unsigned_abs() {
            break;
        }
    }
    Ok(removed)
}
