//! Golden histories: what real runs recorded must replay against the code of today, and code in another order must not.
//! [`crate::record`] records them.

use anyhow::{Context as _, Result, ensure};
use smartcourse_proto::common::{EpochRef, VersionRef};
use smartcourse_workflows::{
    CleanUp, ContentProcessing, CoursePublishing, Enrollment, NightlyReport, PublishCleanup,
    activities::{InitialiseProgress, SaveContent},
    course_publishing::{PublishInput, PublishResult},
    enrollment::{EnrollInput, EnrollResult},
};
use temporalio_client::WorkflowHistory;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::workflow_replayer::{
    WorkflowReplayError, WorkflowReplayFailure, WorkflowReplayer, WorkflowReplayerOptions,
};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::record::{histories, record};

#[tokio::test(flavor = "multi_thread")]
async fn golden_histories_replay_against_the_code_of_today() -> Result<()> {
    record().await?;
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<CoursePublishing>()?
        .register_workflow::<ContentProcessing>()?
        .register_workflow::<PublishCleanup>()?
        .register_workflow::<Enrollment>()?
        .register_workflow::<NightlyReport>()?
        .register_workflow::<CleanUp>()?
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
    ensure!(seen >= 13, "only {seen} histories");
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
        let target = VersionRef {
            course_id: input.course_id.0,
            ..VersionRef::default()
        };
        let options = input
            .settings
            .quick("saved before it was begun".to_owned(), &ctx.cancellation_token());
        ctx.execute_activity(SaveContent, target, options).await?;
        Ok(PublishResult {
            version: 1,
            ai_ready: true,
        })
    }
}

/// Enrollment with the progress record before the seat.
#[workflow]
pub(crate) struct ReorderedEnrollment {
    input: EnrollInput,
}

#[workflow_methods]
impl ReorderedEnrollment {
    #[init]
    fn new(_: &WorkflowContextView, input: EnrollInput) -> Self {
        Self { input }
    }

    #[run(name = "Enrollment")]
    pub(crate) async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<EnrollResult> {
        let input = ctx.state(|state| state.input.clone());
        let epoch = EpochRef {
            course_id: input.course_id.0,
            user_id: input.user_id.0,
            ..EpochRef::default()
        };
        let options = input.settings.quick(
            "prepared before it was seated".to_owned(),
            &ctx.cancellation_token(),
        );
        ctx.execute_activity(InitialiseProgress, epoch, options).await?;
        Ok(EnrollResult {
            enrollment_id: 1,
            epoch: 1,
            counted: true,
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reordered_workflow_fails_the_replay() -> Result<()> {
    let replayer = WorkflowReplayer::new(
        WorkflowReplayerOptions::new()
            .register_workflow::<Reordered>()?
            .register_workflow::<ReorderedEnrollment>()?
            .build(),
    )?;
    for name in ["happy.json", "enrollment-happy.json"] {
        let history = WorkflowHistory::from_json(&std::fs::read(histories().join(name))?)?;
        let outcome = replayer.replay_workflow(history).await;
        ensure!(
            matches!(
                outcome,
                Err(WorkflowReplayError::Replay(
                    WorkflowReplayFailure::Nondeterminism { .. }
                ))
            ),
            "{name}: the replay did not notice: {outcome:?}"
        );
    }
    Ok(())
}
