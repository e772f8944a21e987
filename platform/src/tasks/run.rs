//! Running tasks: lease what is due, keep the lease while the handler works, settle.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use smartcourse_telemetry::{
    catalogue::TASK_SECONDS,
    request::{accept_request_id, with_request_id},
    trace,
};
use sqlx::PgPool;
use tokio::{sync::Semaphore, task::JoinSet};
use tracing::{Instrument, field::Empty};
use uuid::Uuid;

use super::{
    store::{self, Leased},
    task::{Handler, Outcome},
};
use crate::{
    config::Tasks,
    error::{Error, Result, codes},
    fault,
    lifecycle::Lifecycle,
    ports::task_dispatch::TaskDispatch,
    postgres,
};

/// Pause after the dispatch did not answer.
const RECONNECT: Duration = Duration::from_secs(1);

/// One kind: who handles its tasks, and the places for those that run.
struct Runner {
    handler: Arc<dyn Handler>,
    places: Arc<Semaphore>,
}

/// What every run needs.
struct Context {
    pool: PgPool,
    dispatch: Arc<dyn TaskDispatch>,
    settings: Tasks,
}

/// An id the dispatch told us. Dropped before it is acknowledged, as when its handler panics, it is given back.
struct Told {
    id: Uuid,
    dispatch: Arc<dyn TaskDispatch>,
    acknowledged: bool,
}

impl Told {
    fn new(id: Uuid, dispatch: &Arc<dyn TaskDispatch>) -> Self {
        let dispatch = Arc::clone(dispatch);
        Self {
            id,
            dispatch,
            acknowledged: false,
        }
    }

    /// One that was not heard comes again, and finds nothing to do.
    async fn acknowledge(mut self) {
        self.acknowledged = true;
        if let Err(error) = self.dispatch.acknowledge(self.id).await {
            tracing::warn!(task = %self.id, error = %error.chain(), "an id was not acknowledged; it comes again");
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if !self.acknowledged {
            self.dispatch.give_back(self.id);
        }
    }
}

/// Runs tasks until the process stops, then finishes those that were begun. Any number of processes may do this at once:
/// a task is taken by one of them. A dead database is waited for.
pub async fn run(
    pool: PgPool,
    dispatch: Arc<dyn TaskDispatch>,
    handlers: Vec<Arc<dyn Handler>>,
    settings: Tasks,
    life: Lifecycle,
) -> Result<()> {
    let runners: HashMap<&'static str, Runner> = handlers
        .into_iter()
        .map(|handler| {
            let places = Arc::new(Semaphore::new(settings.concurrency));
            (handler.kind(), Runner { handler, places })
        })
        .collect();
    let context = Arc::new(Context {
        pool,
        dispatch,
        settings,
    });
    let mut running = JoinSet::new();
    while !life.token().is_cancelled() {
        let free: Vec<(&'static str, usize)> = runners
            .iter()
            .map(|(kind, runner)| (*kind, runner.places.available_permits()))
            .filter(|(_, free)| *free > 0)
            .collect();
        let due = tokio::select! {
            due = context.dispatch.next(&free, &life), if !free.is_empty() => due,
            // A place is free again.
            Some(ended) = running.join_next() => {
                note(ended);
                continue;
            }
        };
        let begun = match due {
            Ok(due) if due.is_empty() => continue,
            Ok(due) => begin(&context, &runners, &due, &mut running).await,
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            tracing::warn!(error = %error.chain(), "looking for tasks again soon");
            life.sleep(RECONNECT).await;
        }
    }
    while let Some(ended) = running.join_next().await {
        note(ended);
    }
    Ok(())
}

/// A run that panicked leaves its lease to run out, which counts as a failed try.
fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a task's handler panicked");
    }
}

/// Leases tasks and begins to run them.
async fn begin(
    context: &Arc<Context>,
    runners: &HashMap<&'static str, Runner>,
    due: &[Uuid],
    running: &mut JoinSet<()>,
) -> Result<()> {
    let mut told: HashMap<Uuid, Told> = due
        .iter()
        .map(|id| (*id, Told::new(*id, &context.dispatch)))
        .collect();
    for leased in store::lease(&context.pool, due, context.settings.lease()).await? {
        // Only this loop takes places, and it was told of no more tasks of a kind than that had.
        let Some(runner) = runners.get(leased.task.kind.as_str()) else {
            continue;
        };
        let Ok(place) = Arc::clone(&runner.places).try_acquire_owned() else {
            continue;
        };
        let Some(told) = told.remove(&leased.task.id) else {
            continue;
        };
        let (context, handler) = (Arc::clone(context), Arc::clone(&runner.handler));
        running.spawn(async move {
            let id = accept_request_id(Some(&leased.request_id));
            with_request_id(id.clone(), async {
                let begun = Instant::now();
                let (kind, task) = (&leased.task.kind, leased.task.id);
                let span = trace::join(leased.traceparent.as_deref(), || {
                    tracing::info_span!("task", otel.kind = "consumer", trace_id = Empty, request_id = %id, %kind, %task)
                });
                let work = work(&context, handler.as_ref(), &leased, told);
                let outcome = work.instrument(span).await;
                TASK_SECONDS.since(begun, [kind, outcome]);
            })
            .await;
            drop(place);
        });
    }
    // Somebody else has these, or will when the lease of one that could not be begun is over.
    futures::future::join_all(told.into_values().map(Told::acknowledge)).await;
    Ok(())
}

/// One run of a task, to its settling; answers what became of it.
async fn work(context: &Context, handler: &dyn Handler, leased: &Leased, told: Told) -> &'static str {
    let task = &leased.task;
    let ended = if task.tries > context.settings.max_tries {
        let detail = "every run was cut off: the process died, or the handler panicked";
        Err(Error::new(&codes::TASK_INTERRUPTED, detail))
    } else {
        let scope = format!("tasks.{}", task.kind);
        fault::point(&scope, "before_effect");
        let ended = tokio::select! {
            ended = handler.handle(task) => ended,
            () = hold(context, leased) => {
                tracing::warn!("somebody else has the task");
                return "lost";
            }
        };
        fault::point(&scope, "after_effect");
        ended
    };
    let outcome = match &ended {
        Ok(()) => Outcome::Done,
        Err(error) if error.is(&codes::UNAVAILABLE) || error.is(&codes::TIMEOUT) => {
            tracing::warn!(error = %error.chain(), "a task waits for what it stands on");
            Outcome::Postponed(error)
        }
        Err(error) if error.kind().is_retryable() && task.tries < context.settings.max_tries => {
            tracing::warn!(tries = task.tries, error = %error.chain(), "a task will be tried again");
            Outcome::Retrying(error)
        }
        Err(error) => {
            tracing::error!(tries = task.tries, error = %error.chain(), "a task was given up");
            Outcome::Dead(error)
        }
    };
    match settle(context, handler, leased, outcome).await {
        Ok(()) => told.acknowledge().await,
        Err(error) => {
            tracing::warn!(error = %error.chain(), "a task was not settled; it runs again when its lease is over");
            return "lost";
        }
    }
    match outcome {
        Outcome::Done => "done",
        Outcome::Postponed(_) => "postponed",
        Outcome::Retrying(_) => "retrying",
        Outcome::Dead(_) => "dead",
    }
}

/// Keeps the lease alive; returns when somebody else has the task.
async fn hold(context: &Context, leased: &Leased) {
    let lease = context.settings.lease();
    loop {
        tokio::time::sleep(lease / 3).await;
        match store::renew(&context.pool, leased, lease).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(error = %error.chain(), "a lease was not renewed; trying again"),
        }
    }
}

async fn settle(
    context: &Context,
    handler: &dyn Handler,
    leased: &Leased,
    outcome: Outcome<'_>,
) -> Result<()> {
    let mut tx = postgres::begin(&context.pool).await?;
    let pause = context.settings.pause(leased.task.tries);
    if !store::settle(&mut tx, leased, outcome, pause).await? {
        tracing::warn!("somebody else has the task; this run's outcome is not counted");
        return Ok(());
    }
    handler.settle(&mut tx, &leased.task, outcome).await?;
    fault::commit(tx, "tasks").await
}
