//! What waits, as the relay sees it: it hands all of it over.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::Result;
use smartcourse_platform::{lifecycle::Lifecycle, outbox, ports::event_log::EventLog, waker};
use smartcourse_telemetry::catalogue::{
    EVENT_AGE, EVENT_LAG, EVENTS_PARKED, OUTBOX_AGE, OUTBOX_WAITING, TASKS_DEAD, TASKS_WAITING,
};
use sqlx::PgPool;

/// How often it is counted.
const LOOK: Duration = Duration::from_secs(5);

/// Counts until the process stops.
pub(crate) async fn watch(pool: PgPool, log: Arc<dyn EventLog>, life: Lifecycle) -> Result<()> {
    let mut kinds = BTreeSet::new();
    loop {
        let looked = waker::in_time(async {
            record(&pool, &mut kinds).await?;
            for lag in log.lags().await? {
                EVENT_LAG.set(lag.events as f64, [&lag.group]);
                EVENT_AGE.set(lag.seconds, [&lag.group]);
            }
            Ok(())
        });
        if let Err(error) = looked.await {
            tracing::debug!(error = %error.chain(), "what waits could not be counted");
        }
        if !life.sleep(LOOK).await {
            return Ok(());
        }
    }
}

async fn record(pool: &PgPool, kinds: &mut BTreeSet<String>) -> smartcourse_platform::Result<()> {
    let backlog = outbox::backlog(pool).await?;
    for (kind, waiting, age) in backlog.outbox {
        OUTBOX_WAITING.set(waiting as f64, [kind]);
        OUTBOX_AGE.set(age, [kind]);
    }
    for (group, count) in backlog.parked {
        EVENTS_PARKED.set(count as f64, [&group]);
    }
    // A kind of which nothing waits any more is not among them.
    for kind in kinds.iter() {
        TASKS_WAITING.set(0.0, [kind]);
        TASKS_DEAD.set(0.0, [kind]);
    }
    for (kind, waiting, dead) in backlog.tasks {
        TASKS_WAITING.set(waiting as f64, [&kind]);
        TASKS_DEAD.set(dead as f64, [&kind]);
        kinds.insert(kind);
    }
    Ok(())
}
