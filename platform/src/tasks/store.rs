//! The rows of tasks.

use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::task::{Outcome, Task};
use crate::error::Result;

/// The channel that wakes whoever runs tasks.
pub const CHANNEL: &str = "smartcourse_tasks";

/// Asks for a task once this transaction commits; false when a task with its id is known already.
pub async fn put(tx: &mut PgConnection, task: &Task) -> Result<bool> {
    let new = sqlx::query!(
        "insert into platform.tasks (id, kind, payload, headers) values ($1, $2, $3, $4) on conflict (id) do nothing",
        task.id,
        task.kind,
        task.payload,
        crate::outbox::headers()
    )
    .execute(&mut *tx)
    .await?
    .rows_affected()
        == 1;
    if new {
        wake(tx).await?;
    }
    Ok(new)
}

/// Puts a dead task back, with all its tries; false when there is no dead one with this id.
pub async fn replay(tx: &mut PgConnection, id: Uuid) -> Result<bool> {
    let revived = sqlx::query!(
        "update platform.tasks set state = 'queued', tries = 0, next_try_at = now(), finished_at = null
         where id = $1 and state = 'dead'",
        id
    )
    .execute(&mut *tx)
    .await?
    .rows_affected()
        == 1;
    if revived {
        wake(tx).await?;
    }
    Ok(revived)
}

async fn wake(tx: &mut PgConnection) -> Result<()> {
    sqlx::query("select pg_notify($1, '')")
        .bind(CHANNEL)
        .execute(tx)
        .await?;
    Ok(())
}

/// A task that is ours for a while.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) task: Task,
    pub(super) lease: Uuid,
    /// The request that asked for it.
    pub(super) request_id: String,
    /// The trace it is part of.
    pub(super) traceparent: Option<String>,
}

/// Takes those of these tasks that are due and that nobody else takes at this moment.
pub(super) async fn lease(pool: &PgPool, ids: &[Uuid], life: Duration) -> Result<Vec<Leased>> {
    let lease = Uuid::new_v4();
    let rows = sqlx::query!(
        "with due as (
             select id from platform.tasks
             where id = any($1) and state in ('queued', 'running') and coalesce(lease_until, next_try_at) <= now()
             for update skip locked
         )
         update platform.tasks t set state = 'running', tries = tries + 1, lease = $2,
             lease_until = now() + make_interval(secs => $3)
         from due where t.id = due.id
         returning t.id, t.kind, t.payload, t.tries, t.headers",
        ids,
        lease,
        life.as_secs_f64()
    )
    .fetch_all(pool)
    .await?;
    let leased = rows.into_iter().map(|row| Leased {
        task: Task {
            id: row.id,
            kind: row.kind,
            payload: row.payload,
            tries: row.tries,
        },
        lease,
        request_id: row.headers["request_id"].as_str().unwrap_or_default().to_owned(),
        traceparent: row.headers["traceparent"].as_str().map(str::to_owned),
    });
    Ok(leased.collect())
}

/// Keeps a task ours for longer; false when it is not ours any more.
pub(super) async fn renew(pool: &PgPool, leased: &Leased, life: Duration) -> Result<bool> {
    let ours = sqlx::query!(
        "update platform.tasks set lease_until = now() + make_interval(secs => $3)
         where id = $1 and lease = $2 and state = 'running'",
        leased.task.id,
        leased.lease,
        life.as_secs_f64()
    )
    .execute(pool)
    .await?;
    Ok(ours.rows_affected() == 1)
}

/// Writes the outcome of a run into the task; false when the task is not ours any more.
pub(super) async fn settle(
    tx: &mut PgConnection,
    leased: &Leased,
    outcome: Outcome<'_>,
    pause: Duration,
) -> Result<bool> {
    let (state, error) = match outcome {
        Outcome::Done => ("done", None),
        Outcome::Retrying(error) | Outcome::Postponed(error) => ("queued", Some(error.chain())),
        Outcome::Dead(error) => ("dead", Some(error.chain())),
    };
    let ours = sqlx::query!(
        "update platform.tasks set state = $3, last_error = $4, lease = null, lease_until = null, tries = tries - $6,
             next_try_at = now() + make_interval(secs => $5),
             finished_at = case when $3 in ('done', 'dead') then now() end
         where id = $1 and lease = $2 and state = 'running'",
        leased.task.id,
        leased.lease,
        state,
        error,
        pause.as_secs_f64(),
        i32::from(matches!(outcome, Outcome::Postponed(_)))
    )
    .execute(tx)
    .await?;
    Ok(ours.rows_affected() == 1)
}
