//! A publish whose embedder costs nothing against a bare workflow of as many activities on the same server.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_proto::ids::VersionId;
use smartcourse_tests::{
    Layout, World,
    measure::{
        machine::Since,
        proc::Clocks,
        table::{Table, median, millis, verdict},
    },
};
use smartcourse_workflows::{content_processing, course_publishing};
use temporalio_client::{
    Client, UntypedWorkflow, WorkflowFetchHistoryOptions, WorkflowGetResultOptions, WorkflowStartOptions,
};
use temporalio_common::protos::temporal::api::{enums::v1::EventType, history::v1::HistoryEvent};

use crate::{
    note, published,
    text::Dice,
    workflow::{self, Bare, QUEUE, Shape},
};

const LESSONS: usize = 10;
/// Runs of each kind that count, after some that warm everything up.
const RUNS: usize = 10;
const WARM_UP: usize = 2;
/// Lessons processed at once, the default of the publish.
const LANES: usize = 5;

/// Programs whose processor time is told: engines, roles, and this command with its worker.
const BUSY: [Option<&'static str>; 5] = [
    Some("temporal"),
    Some("postgres"),
    Some("serve"),
    Some("worker"),
    None,
];

/// What a workflow cost.
#[derive(Debug, Clone, Copy)]
struct Run {
    total: Duration,
    /// From the first event of the history to the last.
    inside: Duration,
    activities: usize,
    /// Processor time by program.
    busy: [Duration; BUSY.len()],
}

/// Publishes and runs bare workflows in turns.
///
/// # Errors
/// When something fails.
pub(crate) async fn measure(executable: &Path) -> Result<String> {
    let world = World::start(executable, Layout::Together).await?;
    let session = world.sign_up("instructor").await?;
    let client = workflow::client(&world.temporal_address()).await?;
    let worker = workflow::Running::start(client.clone())?;
    let mut dice = Dice::new(10);
    let (mut publishes, mut in_turn, mut in_lanes, mut with_beats) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    note("publishes of 10 short lessons and bare workflows in turns");
    let since = Since::now();
    for round in 0..WARM_UP + RUNS {
        let course = published::course(&session, &dice.lessons(LESSONS, 1)).await?;
        let publish = of_publish(
            &client,
            async || published::publish(&session, &world.pool, course).await,
            course,
        )
        .await?;
        let activities = publish.activities;
        let turn = of_bare(
            &client,
            round,
            Shape {
                activities,
                lanes: 1,
                beats: false,
            },
        )
        .await?;
        let lanes = of_bare(
            &client,
            round,
            Shape {
                activities,
                lanes: LANES,
                beats: false,
            },
        )
        .await?;
        let beats = of_bare(
            &client,
            round,
            Shape {
                activities,
                lanes: LANES,
                beats: true,
            },
        )
        .await?;
        ensure!(
            [turn, lanes, beats]
                .iter()
                .all(|run| run.activities == activities),
            "{publish:?} {turn:?} {lanes:?} {beats:?}"
        );
        if round >= WARM_UP {
            publishes.push(publish);
            in_lanes.push(lanes);
            with_beats.push(beats);
            in_turn.push(turn);
        }
    }
    let others = since.spent().others;
    worker.stop().await?;

    let activities = publishes.first().context("at least one run")?.activities;
    let mut table = Table::new(&[
        "medians in ms",
        "total",
        "inside the workflow",
        "Temporal, processor",
        "PostgreSQL, processor",
        "services, processor",
        "worker, processor",
        "this command, processor",
    ]);
    for (name, runs) in [
        ("publish of 10 lessons", &publishes),
        ("bare, one activity after the other", &in_turn),
        ("bare, five activities at once", &in_lanes),
        ("bare, five at once, one heartbeat each", &with_beats),
    ] {
        let mut cells = vec![
            name.to_owned(),
            millis(middle(runs, |run| run.total)),
            millis(middle(runs, |run| run.inside)),
        ];
        cells.extend((0..BUSY.len()).map(|index| millis(middle(runs, |run| run.busy[index]))));
        table.row(cells);
    }
    let ratio = |bare: &[Run], pick: fn(&Run) -> Duration| {
        middle(&publishes, pick).as_secs_f64() / middle(bare, pick).as_secs_f64()
    };
    Ok(format!(
        "## Overhead of the workflow\n\nMedians of {RUNS} runs in turns; {activities} activities each. Other programs used \
         {others:.2} cores meanwhile.\n\n{}\n{}\nThe same inside the workflow only: {:.2}. Against a bare workflow that has five activities at \
         once from its first moment to its last: {:.2}.\n",
        table.finish(),
        verdict(
            "Publish ÷ bare workflow of as many activities",
            ratio(&in_turn, |run| run.total),
            1.5,
            true
        ),
        ratio(&in_turn, |run| run.inside),
        ratio(&in_lanes, |run| run.total),
    ))
}

fn middle(runs: &[Run], pick: impl Fn(&Run) -> Duration) -> Duration {
    median(&runs.iter().map(pick).collect::<Vec<_>>())
}

async fn of_publish(
    client: &Client,
    publish: impl AsyncFnOnce() -> Result<Duration>,
    course: i64,
) -> Result<Run> {
    let clocks = Clocks::start(BUSY);
    let total = publish().await?;
    let version = VersionId {
        course_id: course.into(),
        version: 1,
    };
    let (outer, inner) = (
        course_publishing::workflow_id(version),
        content_processing::workflow_id(version),
    );
    let events = closed(client, &outer).await?;
    let busy = clocks.spent();
    let activities = count(&events) + count(&closed(client, &inner).await?);
    Ok(Run {
        total,
        inside: inside(&events)?,
        activities,
        busy,
    })
}

async fn of_bare(client: &Client, round: usize, shape: Shape) -> Result<Run> {
    let id = format!("bare-{}-{}-{round}", shape.lanes, shape.beats);
    let clocks = Clocks::start(BUSY);
    let start = Instant::now();
    let handle = client
        .start_workflow(
            Bare::run,
            shape,
            WorkflowStartOptions::new(QUEUE, id.clone()).build(),
        )
        .await?;
    handle.get_result(WorkflowGetResultOptions::default()).await?;
    let total = start.elapsed();
    let events = closed(client, &id).await?;
    Ok(Run {
        total,
        inside: inside(&events)?,
        activities: count(&events),
        busy: clocks.spent(),
    })
}

/// The whole history of a workflow; an attempt ends a moment before its workflow closes.
async fn closed(client: &Client, id: &str) -> Result<Vec<HistoryEvent>> {
    let handle = client.get_workflow_handle::<UntypedWorkflow>(id.to_owned());
    for _ in 0..400 {
        let events = handle
            .fetch_history(WorkflowFetchHistoryOptions::default())
            .into_events()
            .await?;
        if events
            .last()
            .is_some_and(|event| event.event_type() == EventType::WorkflowExecutionCompleted)
        {
            return Ok(events);
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    anyhow::bail!("{id} does not close")
}

fn count(events: &[HistoryEvent]) -> usize {
    events
        .iter()
        .filter(|event| event.event_type() == EventType::ActivityTaskScheduled)
        .count()
}

fn inside(events: &[HistoryEvent]) -> Result<Duration> {
    let seconds = |event: Option<&HistoryEvent>| {
        let time = event
            .and_then(|event| event.event_time.as_ref())
            .context("an event has a time")?;
        // Seconds since 1970 are exact in a double to well below a microsecond.
        Ok::<_, anyhow::Error>(time.seconds as f64 + f64::from(time.nanos) / 1e9)
    };
    Ok(Duration::from_secs_f64(
        (seconds(events.last())? - seconds(events.first())?).max(0.0),
    ))
}
