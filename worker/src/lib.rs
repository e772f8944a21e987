//! The worker role runs workflows and activities; the relay role hands over what the outbox holds, heals publishes and
//! onboardings whose workflow is gone, and sees to it that the schedules are there.

mod meter;
mod reconciler;
mod schedules;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use opentelemetry_sdk::trace::IdGenerator;
use smartcourse_activities::Activities;
use smartcourse_platform::{
    config::Config,
    grpc::{Actor, Channels, Transport},
    lifecycle::Lifecycle,
};
use smartcourse_proto::{
    course::ReportWorkerRequest,
    stubs::{CourseStub, ServiceName},
};
use smartcourse_workflows::{
    CleanUp, ContentProcessing, CoursePublishing, Enrollment, GenerateDraft, NightlyReport, PublishCleanup,
    TASK_QUEUE,
};
use temporalio_client::{Client, NamespacedClient as _, grpc::WorkflowService as _};
use temporalio_common::{
    protos::temporal::api::{
        enums::v1::TaskQueueType, taskqueue::v1::TaskQueue, workflowservice::v1::DescribeTaskQueueRequest,
    },
    telemetry::{TelemetryOptions, metrics::CoreMeter},
    worker::WorkerDeploymentOptions,
};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    opentelemetry::{OpenTelemetryPlugin, WorkflowIdGenerator},
    runtime::{
        RuntimeOptions,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use tonic::IntoRequest as _;

use crate::meter::Meter;
pub use reconciler::{Owners, reconcile};

/// How long running activities may go on after a stop was asked for, before they are cancelled and taken up elsewhere.
const GRACE: Duration = Duration::from_secs(6);
/// Slots of each kind other than activities: the SDK's own default.
const SLOTS: usize = 100;
/// How often a worker looks whether it polls.
const LOOK: Duration = Duration::from_secs(3);
/// Pause before a worker that stopped polling begins anew.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a worker gives a sign of life.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Options of a worker that runs every workflow and activity. Fails when two workflows have one name.
pub fn options(config: &Config, channels: &Channels) -> Result<WorkerOptions> {
    // The build id is only shown; naming the version spares hashing the whole executable at each start.
    let deployment =
        WorkerDeploymentOptions::from_build_id(format!("smartcourse-{}", env!("CARGO_PKG_VERSION")));
    let slots = FixedSizeSlotSupplier::new;
    let tuner = TunerHolder::builder()
        .workflow_task_slot_supplier(slots(SLOTS))
        .activity_task_slot_supplier(slots(config.temporal.max_activities))
        .local_activity_task_slot_supplier(slots(SLOTS))
        .nexus_task_slot_supplier(slots(SLOTS))
        .build();
    Ok(WorkerOptions::new(TASK_QUEUE)
        .deployment_options(deployment)
        .sticky_queue_schedule_to_start_timeout(Duration::from_secs(config.temporal.sticky_timeout_seconds))
        .graceful_shutdown_period(GRACE)
        .tuner(tuner)
        .worker_plugin(OpenTelemetryPlugin::builder().build())
        .register_workflow::<CoursePublishing>()?
        .register_workflow::<ContentProcessing>()?
        .register_workflow::<PublishCleanup>()?
        .register_workflow::<Enrollment>()?
        .register_workflow::<GenerateDraft>()?
        .register_workflow::<NightlyReport>()?
        .register_workflow::<CleanUp>()?
        .register_activities(Activities::new(channels))
        .build())
}

/// Works until the process stops, over a connection to Temporal. Fails when the worker itself refuses its options.
pub async fn run(config: Config, client: Client, life: Lifecycle) -> Result<()> {
    let channels = Channels::open(|service| Transport::to(&config.grpc, service))?;
    life.spawn(
        "sign of life",
        report(channels.to(ServiceName::Course), life.clone()),
    );
    let meter = Meter::default();
    life.spawn("pulse", pulse(client.clone(), meter.clone(), life.clone()));
    // A worker's future cannot move between threads, so it gets one of its own.
    let handle = tokio::runtime::Handle::current();
    let (done, finished) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("temporal-worker".to_owned())
        .spawn(move || {
            // The receiver is gone only when the process is ending anyway.
            drop(done.send(handle.block_on(poll(client, &config, &channels, meter, &life))));
        })?;
    finished.await.context("the worker thread ended without a word")?
}

/// Tells the course service that a worker lives, for the status of publishes and drafts that wait.
async fn report(course: Transport, life: Lifecycle) -> Result<()> {
    let course = CourseStub::new(course);
    let identity = format!("{}-{}", std::process::id(), uuid::Uuid::now_v7().simple());
    loop {
        let request = Actor::Service.request(ReportWorkerRequest {
            identity: identity.clone(),
        });
        if let Err(status) = course.report_worker(request).await {
            tracing::debug!(%status, "no sign of life could be given");
        }
        if !life.sleep(SIGN_OF_LIFE).await {
            return Ok(());
        }
    }
}

/// The ids of spans, the same when a run is replayed.
pub fn span_ids() -> impl IdGenerator + 'static {
    WorkflowIdGenerator::default()
}

/// The worker goes on while the server knows that it polls, and it has places for tasks.
async fn pulse(client: Client, meter: Meter, life: Lifecycle) -> Result<()> {
    let pulse = life.pulse("worker");
    let identity = client.connection().identity().to_owned();
    let mut service = client.clone();
    let request = DescribeTaskQueueRequest {
        namespace: client.namespace(),
        task_queue: Some(TaskQueue {
            name: TASK_QUEUE.to_owned(),
            ..TaskQueue::default()
        }),
        task_queue_type: TaskQueueType::Workflow.into(),
        ..DescribeTaskQueueRequest::default()
    };
    while life.sleep(LOOK).await {
        let asked = tokio::time::timeout(LOOK, service.describe_task_queue(request.clone().into_request()));
        match asked.await {
            Ok(Ok(answer)) => {
                let polls = answer
                    .into_inner()
                    .pollers
                    .iter()
                    .any(|poller| poller.identity == identity);
                if polls && meter.has_free_slots() {
                    pulse.beat();
                }
            }
            Ok(Err(status)) => tracing::debug!(%status, "Temporal does not say whether this worker polls"),
            Err(_) => tracing::debug!("Temporal does not answer"),
        }
    }
    Ok(())
}

/// Polls, and begins anew when the server went away in a moment in which a worker does not wait for it, such as its first.
async fn poll(
    client: Client,
    config: &Config,
    channels: &Channels,
    meter: Meter,
    life: &Lifecycle,
) -> Result<()> {
    let meter: Arc<dyn CoreMeter> = Arc::new(meter);
    let telemetry = TelemetryOptions::builder().metrics(meter).build();
    let runtime = RuntimeOptions::builder().telemetry_options(telemetry).build();
    let runtime = Runtime::from_current_tokio(runtime.map_err(anyhow::Error::msg)?)?;
    loop {
        let options = options(config, channels)?;
        for workflow in options.workflows().workflow_definitions() {
            Meter::expects(&workflow.workflow_type, &config.temporal.namespace, TASK_QUEUE);
        }
        let mut worker = Worker::new(&runtime, client.clone(), options)
            .map_err(|error| anyhow::anyhow!("the worker refused its options: {error}"))?;
        let stop = worker.shutdown_handle();
        tracing::info!(queue = TASK_QUEUE, "worker polls");
        let run = worker.run();
        tokio::pin!(run);
        let ended = tokio::select! {
            ended = &mut run => ended,
            () = life.stopping() => {
                stop();
                return run.await.context("the worker did not stop cleanly");
            }
        };
        match ended {
            Ok(()) => return Ok(()),
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "the worker stopped polling, and begins anew"
            ),
        }
        if !life.sleep(PAUSE).await {
            return Ok(());
        }
    }
}
