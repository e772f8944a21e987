//! A workflow that does nothing, and a worker in this process that runs it.

#![expect(
    unreachable_pub,
    reason = "the macros want public items, and a command exports none"
)]

use std::{cell::Cell, rc::Rc, time::Duration};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use temporalio_client::{Client, ClientOptions, Connection, ConnectionOptions};
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_macros::{activities, workflow, workflow_methods};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    activities::{ActivityContext, ActivityError},
};
use temporalio_workflow::{ActivityOptions, WorkflowContext, WorkflowContextView, WorkflowResult, workflows};
use tokio::sync::oneshot;

/// Queue of the worker in this process.
pub(crate) const QUEUE: &str = "smartcourse-bench";
const LIMIT: Duration = Duration::from_secs(60);

/// How many activities, and how many of them at once.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Shape {
    /// Activities in all.
    pub activities: usize,
    /// Activities at once.
    pub lanes: usize,
    /// Whether each sends a heartbeat, as those of a publish do.
    pub beats: bool,
}

/// Activities that do nothing.
#[workflow]
pub struct Bare {
    shape: Shape,
}

#[workflow_methods]
impl Bare {
    #[init]
    fn new(_: &WorkflowContextView, shape: Shape) -> Self {
        Self { shape }
    }

    /// Runs the activities.
    #[run(name = "Bare")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let shape = ctx.state(|state| state.shape);
        let left = Rc::new(Cell::new(shape.activities));
        let lanes = (0..shape.lanes).map(|_| {
            let (ctx, left) = (ctx.clone(), Rc::clone(&left));
            async move {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    let options = ActivityOptions::with_start_to_close_timeout(LIMIT)
                        .heartbeat_timeout(LIMIT)
                        .build();
                    ctx.execute_activity(NoOps::no_op, shape.beats, options).await?;
                }
                Ok(())
            }
        });
        workflows::join_all(lanes).await.into_iter().collect()
    }
}

/// The activity.
pub struct NoOps;

#[activities]
impl NoOps {
    /// Nothing, or a heartbeat.
    #[activity(name = "bench.no_op")]
    pub async fn no_op(ctx: ActivityContext, beats: bool) -> Result<bool, ActivityError> {
        if beats && let Err(error) = ctx.record_heartbeat(0_u32).await {
            crate::note(&format!("a heartbeat failed: {error}"));
        }
        Ok(beats)
    }
}

/// A client of the server at this address.
///
/// # Errors
/// When it does not answer.
pub(crate) async fn client(address: &str) -> Result<Client> {
    let target: url::Url = format!("http://{address}").parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    Ok(Client::new(connection, ClientOptions::new("default").build())?)
}

/// A running worker; it stops when this is stopped.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<Result<()>>,
}

impl Running {
    /// Starts a worker on a thread of its own, since its future cannot move between threads.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub(crate) fn start(client: Client) -> Result<Self> {
        let handle = tokio::runtime::Handle::current();
        let (stop, stopped) = oneshot::channel();
        let (done, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("bench-worker".to_owned())
            .spawn(move || {
                // Nobody listens any more only when the measurement has failed already.
                drop(done.send(handle.block_on(poll(client, stopped))));
            })?;
        Ok(Self { stop, ended })
    }

    /// Stops the worker.
    ///
    /// # Errors
    /// When it broke.
    pub(crate) async fn stop(self) -> Result<()> {
        // A worker that has ended hears nothing and says why.
        self.stop.send(()).ok();
        self.ended.await.context("the worker ended without a word")?
    }
}

async fn poll(client: Client, stopped: oneshot::Receiver<()>) -> Result<()> {
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let options = WorkerOptions::new(QUEUE)
        .deployment_options(WorkerDeploymentOptions::from_build_id(
            "smartcourse-bench".to_owned(),
        ))
        .register_workflow::<Bare>()?
        .register_activities(NoOps)
        .build();
    let mut worker = Worker::new(&runtime, client, options)
        .map_err(|error| anyhow::anyhow!("the worker refused its options: {error}"))?;
    let stop = worker.shutdown_handle();
    let run = worker.run();
    tokio::pin!(run);
    tokio::select! {
        ended = &mut run => ended.context("the worker stopped polling"),
        _ = stopped => {
            stop();
            run.await.context("the worker did not stop cleanly")
        }
    }
}
