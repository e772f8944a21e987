//! Workers of two versions, of which one has a patch that the other does not know: runs go on in whatever version can read them, and wait
//! for it.

use anyhow::{Context as _, Result};
use smartcourse_tests::{Layout, World, wait_for};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, WorkflowFetchHistoryOptions,
    WorkflowGetResultOptions, WorkflowHandle, WorkflowSignalOptions, WorkflowStartOptions,
};
use temporalio_common::worker::WorkerDeploymentOptions;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{Runtime, Worker, WorkerOptions};
use temporalio_workflow::{SyncWorkflowContext, WorkflowContext, WorkflowResult};

use crate::executable;

const QUEUE: &str = "versions";

/// The workflow as it was.
#[workflow]
#[derive(Default)]
pub(crate) struct Before {
    told: bool,
}

#[workflow_methods]
impl Before {
    #[run(name = "Changed")]
    pub(crate) async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        ctx.wait_condition(|state| state.told).await?;
        Ok("as before".to_owned())
    }

    #[signal(name = "go_on")]
    fn go_on(&mut self, _: &mut SyncWorkflowContext<Self>) {
        self.told = true;
    }
}

/// The same with a patch.
#[workflow]
#[derive(Default)]
pub(crate) struct Now {
    told: bool,
}

#[workflow_methods]
impl Now {
    #[run(name = "Changed")]
    pub(crate) async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        let patched = ctx.patched("another-end");
        ctx.wait_condition(|state| state.told).await?;
        Ok(if patched { "as now" } else { "as before" }.to_owned())
    }

    #[signal(name = "go_on")]
    fn go_on(&mut self, _: &mut SyncWorkflowContext<Self>) {
        self.told = true;
    }
}

/// Works while something is done.
async fn working<T>(
    client: &Client,
    options: WorkerOptions,
    done: impl Future<Output = Result<T>>,
) -> Result<T> {
    let runtime = Runtime::from_current_tokio(Default::default())?;
    let mut worker = Worker::new(&runtime, client.clone(), options)
        .map_err(|error| anyhow::anyhow!("the worker refused its options: {error}"))?;
    let stop = worker.shutdown_handle();
    let (ended, done) = tokio::join!(worker.run(), async {
        let done = done.await;
        stop();
        done
    });
    ended.context("the worker did not end well")?;
    done
}

type Run = WorkflowHandle<Client, Before>;

async fn start(client: &Client, id: &str) -> Result<Run> {
    let options = WorkflowStartOptions::new(QUEUE, id).build();
    client.start_workflow(Before::run, (), options).await?;
    Ok(client.get_workflow_handle(id))
}

/// Waits until something has happened to a run.
async fn has(run: &Run, event: &str) -> Result<()> {
    wait_for(event, async || {
        let history = run.fetch_history(WorkflowFetchHistoryOptions::default());
        let history = String::from_utf8_lossy(&history.to_json().await?).into_owned();
        Ok(if history.contains(event) {
            Ok(())
        } else {
            Err(history)
        })
    })
    .await
}

async fn end(run: &Run) -> Result<String> {
    Ok(run.get_result(WorkflowGetResultOptions::default()).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_with_the_version_that_can_read_it() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let target: url::Url = format!("http://{}", world.temporal_address()).parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    let client = Client::new(connection, ClientOptions::new("default").build())?;
    let options = || {
        WorkerOptions::new(QUEUE).deployment_options(WorkerDeploymentOptions::from_build_id(QUEUE.to_owned()))
    };
    let before = || anyhow::Ok(options().register_workflow::<Before>()?.build());
    let now = || anyhow::Ok(options().register_workflow::<Now>()?.build());

    let begun_before = working(&client, before()?, async {
        let run = start(&client, "begun-before").await?;
        has(&run, "WorkflowTaskCompleted").await?;
        Ok(run)
    })
    .await?;
    let begun_now = working(&client, now()?, async {
        let run = start(&client, "begun-now").await?;
        has(&run, "MarkerRecorded").await?;
        Ok(run)
    })
    .await?;
    // Temporal knows of which patches runs are.
    let query = "ExecutionStatus = 'Running' and TemporalChangeVersion = 'another-end'";
    wait_for("the patch of one run", async || {
        let told = world.temporal_cli(&["workflow", "count", "--query", query])?;
        Ok(if told.trim() == "Total: 1" {
            Ok(())
        } else {
            Err(told)
        })
    })
    .await?;
    // The way back: what the new version has begun is not for the earlier one, and waits.
    working(&client, before()?, async {
        begun_now
            .signal(Before::go_on, (), WorkflowSignalOptions::default())
            .await?;
        has(&begun_now, "WorkflowTaskFailed").await
    })
    .await?;
    let ends = working(&client, now()?, async {
        begun_before
            .signal(Before::go_on, (), WorkflowSignalOptions::default())
            .await?;
        Ok((end(&begun_before).await?, end(&begun_now).await?))
    })
    .await?;
    anyhow::ensure!(ends == ("as before".to_owned(), "as now".to_owned()), "{ends:?}");
    Ok(())
}
