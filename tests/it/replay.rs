//! Golden histories: what real runs recorded must replay against the code of today, and code in another order must not.
//!
//! `SMARTCOURSE_RECORD=1 cargo test -p smartcourse-cli --test it replay` records them anew; do that only when no run
//! of the old code can be under way any more. Otherwise guard the change with `ctx.patched`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use smartcourse_tests::{Layout, World, wait_for};
use smartcourse_workflows::{
    ContentProcessing, CoursePublishing, PublishCleanup,
    contract::{CourseActivities, StepRef},
    course_publishing::{PublishInput, PublishResult},
};
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, UntypedWorkflow, WorkflowFetchHistoryOptions,
    WorkflowHistory,
};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::workflow_replayer::{
    WorkflowReplayError, WorkflowReplayFailure, WorkflowReplayer, WorkflowReplayerOptions,
};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::{LESSONS, executable, standing};

fn histories() -> PathBuf {
    crate::root().join("workflows/histories")
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_histories_replay_against_the_code_of_today() -> Result<()> {
    if std::env::var_os("SMARTCOURSE_RECORD").is_some() {
        record().await?;
    }
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<CoursePublishing>()?
        .register_workflow::<ContentProcessing>()?
        .register_workflow::<PublishCleanup>()?
        .build();
    let replayer = WorkflowReplayer::new(options)?;
    let mut seen = 0;
    for entry in std::fs::read_dir(histories()).context("no histories: record them")? {
        let path = entry?.path();
        let history = WorkflowHistory::from_json(&std::fs::read(&path)?)?;
        replayer
            .replay_workflow(history)
            .await
            .with_context(|| path.display().to_string())?;
        seen += 1;
    }
    ensure!(seen >= 6, "only {seen} histories");
    Ok(())
}

/// CoursePublishing with its first two steps exchanged.
#[workflow]
pub(crate) struct Reordered {
    input: PublishInput,
}

#[workflow_methods]
impl Reordered {
    #[init]
    fn new(_: &WorkflowContextView, input: PublishInput) -> Self {
        Self { input }
    }

    #[run(name = "CoursePublishing")]
    pub(crate) async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<PublishResult> {
        let input = ctx.state(|state| state.input.clone());
        let step = StepRef {
            attempt_id: input.attempt_id.clone(),
            course_id: input.course_id,
            ..StepRef::default()
        };
        let options = input
            .settings
            .quick("saved before it was begun".to_owned(), &ctx.cancellation_token());
        ctx.execute_activity(CourseActivities::save_content, step, options)
            .await?;
        Ok(PublishResult {
            version: 1,
            ai_ready: true,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reordered_workflow_fails_the_replay() -> Result<()> {
    let replayer = WorkflowReplayer::new(
        WorkflowReplayerOptions::new()
            .register_workflow::<Reordered>()?
            .build(),
    )?;
    let history = WorkflowHistory::from_json(&std::fs::read(histories().join("happy.json"))?)?;
    let outcome = replayer.replay_workflow(history).await;
    ensure!(
        matches!(
            outcome,
            Err(WorkflowReplayError::Replay(
                WorkflowReplayFailure::Nondeterminism { .. }
            ))
        ),
        "the replay did not notice: {outcome:?}"
    );
    Ok(())
}

/// Runs one publish of each kind and keeps the histories.
async fn record() -> Result<()> {
    let mut world = World::start(executable(), Layout::Apart).await?;
    let instructor = world.sign_up("instructor").await?;
    std::fs::create_dir_all(histories())?;

    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    keep(&world, &format!("publish-{course}-v1"), "happy.json").await?;
    keep(&world, &format!("content-{course}-v1"), "happy-content.json").await?;

    let retried = standing(&mut world, &instructor).await?;
    world.restart("content", &[]).await?;
    ensure!(instructor.publish_end(retried).await?["state"] == "completed");
    keep(&world, &format!("publish-{retried}-v1"), "retried.json").await?;

    let cancelled = standing(&mut world, &instructor).await?;
    instructor
        .delete(&format!("/courses/{cancelled}/publish"))
        .await?
        .expect(202)?;
    world.restart("content", &[]).await?;
    ensure!(instructor.publish_end(cancelled).await?["state"] == "cancelled");
    keep(&world, &format!("publish-{cancelled}-v1"), "cancelled.json").await?;

    let cleaned = standing(&mut world, &instructor).await?;
    world.temporal_cli(&["workflow", "terminate", "-w", &format!("publish-{cleaned}-v1")])?;
    world.restart("content", &[]).await?;
    let attempt = instructor.publish_end(cleaned).await?["attempt_id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    keep(&world, &format!("cleanup-{attempt}"), "cleanup.json").await?;

    for (step, name) in [
        ("progress.prepare_course", "compensated.json"),
        ("content.embed_lesson", "compensated-in-child.json"),
    ] {
        world.restart("worker", &[("SMARTCOURSE_FAIL_AT", step)]).await?;
        // New words, since a chunk the model has seen is not embedded again.
        let course = instructor
            .course(&[(
                "New",
                &format!("# New\n\nThis lesson makes {step} fail for good."),
            )])
            .await?;
        ensure!(instructor.publish(course).await?["state"] == "failed");
        keep(&world, &format!("publish-{course}-v1"), name).await?;
    }
    Ok(())
}

async fn keep(world: &World, workflow_id: &str, name: &str) -> Result<()> {
    let target: url::Url = format!("http://{}", world.temporal_address()).parse()?;
    let connection = Connection::connect(ConnectionOptions::new(target).build()).await?;
    let client = Client::new(connection, ClientOptions::new("default").build())?;
    let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id.to_owned());
    // The attempt is over a moment before its workflow closes, and only a closed history is whole.
    let json = wait_for("the workflow to close", async || {
        let json = handle
            .fetch_history(WorkflowFetchHistoryOptions::default())
            .to_json()
            .await?;
        let text = String::from_utf8_lossy(&json);
        let closed = [
            "WorkflowExecutionCompleted",
            "WorkflowExecutionFailed",
            "WorkflowExecutionCanceled",
        ];
        Ok(if closed.iter().any(|event| text.contains(event)) {
            Ok(json)
        } else {
            Err("open".to_owned())
        })
    })
    .await?;
    std::fs::write(histories().join(name), json)?;
    Ok(())
}
