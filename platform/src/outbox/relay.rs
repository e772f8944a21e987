//! Hands committed workflow commands to Temporal.
//!
//! Rows are taken with `for update skip locked` and stay locked until the server has answered: two relays never send the
//! same row at once, and a relay that dies gives its rows back. A start is idempotent (same id, conflict policy
//! *use existing*), so the crash between answer and commit costs nothing.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use smartcourse_telemetry::{catalogue::WORKFLOW_COMMANDS, trace};
use sqlx::PgPool;
use tracing::{Instrument as _, field::Empty};

use super::CHANNEL;
use crate::{
    error::Result,
    fault,
    lifecycle::Lifecycle,
    ports::{
        event_log::{EventLog, Moved},
        task_dispatch::TaskDispatch,
        workflows::{Start, StartOptions, Workflows},
    },
    postgres,
    sleep::{Sleep, Work},
    waker::Waker,
};

/// Rows handed over in one round.
const BATCH: i64 = 16;
/// Longest pause before a failed command is tried again, in seconds.
const MAX_PAUSE_SECONDS: f64 = 30.0;

/// What the relay hands committed rows to.
pub struct Carriers {
    /// Commands to workflows.
    pub workflows: Arc<dyn Workflows>,
    /// Events.
    pub log: Arc<dyn EventLog>,
    /// Background tasks.
    pub tasks: Arc<dyn TaskDispatch>,
}

/// Hands over commands, events and tasks until the process stops. They go their own ways: Temporal being down or slow
/// never holds back an event. What does not answer is waited for.
pub async fn run(pool: PgPool, carriers: Carriers, poll: Duration, life: Lifecycle) -> Result<()> {
    let waker = Waker::new(pool.clone(), CHANNEL, poll, life.clone());
    let sleep = |work| Sleep::new(pool.clone(), work);
    let commands = waker
        .clone()
        .work_or_sleep("commands", sleep(Work::Commands), || async {
            let count = hand_over(&pool, carriers.workflows.as_ref()).await?;
            Ok(Moved {
                count,
                more: count >= BATCH,
            })
        });
    let events = waker
        .clone()
        .work_or_sleep("events", sleep(Work::Events), || carriers.log.publish());
    let tasks = async {
        if let Some(channel) = carriers.tasks.channel() {
            let waker = Waker::new(pool.clone(), channel, poll, life);
            waker.work("tasks", || carriers.tasks.offer()).await;
        }
    };
    tokio::join!(commands, events, tasks);
    Ok(())
}

struct Command {
    id: i64,
    kind: String,
    workflow_id: String,
    workflow_type: String,
    task_queue: String,
    payload: Value,
    options: Value,
}

/// Hands over up to [`BATCH`] due commands; answers how many.
pub async fn hand_over(pool: &PgPool, workflows: &dyn Workflows) -> Result<i64> {
    let mut tx = postgres::begin(pool).await?;
    let commands = sqlx::query_as!(
        Command,
        "select id, kind, workflow_id, workflow_type, task_queue, payload, options from platform.outbox_commands
         where done_at is null and next_try_at <= now() order by id limit $1 for update skip locked",
        BATCH
    )
    .fetch_all(&mut *tx)
    .await?;
    let count = commands.len() as i64;
    // One look whether the server is there spares each command its own wait for a connection.
    let unreachable = match count {
        0 => None,
        _ => workflows.ping().await.err(),
    };
    let unreachable =
        unreachable.inspect(|error| tracing::warn!(error = %error.chain(), "nothing can be handed over"));
    let unreachable = unreachable.as_ref();
    let sends = commands.into_iter().map(|command| async move {
        if let Some(error) = unreachable {
            return (command, Err(error.without_cause()));
        }
        fault::point(&format!("relay.{}", command.kind), "before_send");
        let outcome = send(workflows, &command).await;
        fault::point(&format!("relay.{}", command.kind), "after_send");
        (command, outcome)
    });
    for (command, outcome) in futures::future::join_all(sends).await {
        let label = if outcome.is_ok() { "ok" } else { "error" };
        WORKFLOW_COMMANDS.add(1, [&command.kind, &command.workflow_type, label]);
        match outcome {
            Ok(run_id) => {
                tracing::info!(workflow_id = %command.workflow_id, kind = %command.kind, "handed over");
                sqlx::query!(
                    "update platform.outbox_commands set done_at = now(), run_id = $2, tries = tries + 1, last_error = null
                     where id = $1",
                    command.id,
                    run_id
                )
                .execute(&mut *tx)
                .await?;
            }
            Err(error) => {
                tracing::warn!(workflow_id = %command.workflow_id, error = %error.chain(), "Temporal did not take a command");
                sqlx::query!(
                    "update platform.outbox_commands set tries = tries + 1, last_error = $2,
                     next_try_at = now() + make_interval(secs => least($3::float8, 0.25 * power(2, least(tries, 10))))
                     where id = $1",
                    command.id,
                    error.detail(),
                    MAX_PAUSE_SECONDS
                )
                .execute(&mut *tx)
                .await?;
            }
        }
    }
    fault::point("relay", "before_commit");
    tx.commit().await?;
    if count > 0 {
        fault::point("relay", "after_commit");
    }
    Ok(count)
}

async fn send(workflows: &dyn Workflows, command: &Command) -> Result<Option<String>> {
    if command.kind == "cancel" {
        workflows.cancel(&command.workflow_id).await?;
        return Ok(None);
    }
    let options: StartOptions = serde_json::from_value(command.options.clone())
        .map_err(|error| crate::Error::internal("a start row has unreadable options").because(error))?;
    let span = trace::join(options.traceparent.as_deref(), || {
        tracing::info_span!(
            "start",
            otel.name = format!("start {}", command.workflow_type),
            otel.kind = "producer",
            trace_id = Empty,
            workflow_id = %command.workflow_id,
        )
    });
    let start = Start {
        workflow_id: command.workflow_id.clone(),
        workflow_type: command.workflow_type.clone(),
        task_queue: command.task_queue.clone(),
        input: command.payload.clone(),
        options,
    };
    workflows.start(&start).instrument(span).await
}
