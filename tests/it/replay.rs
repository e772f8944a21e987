//! Golden histories: what real runs of every release recorded must replay against the code of today, and code in another order must
//! not. [`crate::record`] records those of the version that is being made.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use smartcourse_proto::common::{EpochRef, VersionRef};
use smartcourse_workflows::{
    CleanUp, ContentProcessing, CoursePublishing, Enrollment, GenerateDraft, NightlyReport, PublishCleanup,
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

use crate::record::record;

/// The releases, and what [`digest`] makes of their histories, which are never recorded again.
pub(crate) const RELEASED: [(&str, &str); 2] = [
    (
        "0.2",
        "929034d33311f62e5fe4a63fb5625ece31fc67ef1a22e5c83d27c2b60ae09951",
    ),
    (
        "0.3",
        "1604ba27f20b8ffef3b16a8110a70886cb59c12d030b74ccc80639819130a139",
    ),
];

/// Where the histories are, in a directory for each version.
pub(crate) fn histories() -> PathBuf {
    crate::root().join("workflows/histories")
}

/// The files of a directory in the order of their names.
pub(crate) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// SHA-256 over names and contents of the histories of a version.
fn digest(version: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for file in files(version)? {
        let name = file.file_name().unwrap_or_default();
        hash.update(name.as_encoded_bytes());
        hash.update(Sha256::digest(std::fs::read(&file)?));
    }
    Ok(format!("{:x}", hash.finalize()))
}

#[test]
fn the_histories_of_a_release_are_those_it_was_made_with() -> Result<()> {
    for (version, recorded) in RELEASED {
        let found = digest(&histories().join(version))?;
        ensure!(
            found == recorded,
            "the histories of {version} have changed: {found}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn golden_histories_replay_against_the_code_of_today() -> Result<()> {
    record().await?;
    let options = WorkflowReplayerOptions::new()
        .register_workflow::<CoursePublishing>()?
        .register_workflow::<ContentProcessing>()?
        .register_workflow::<PublishCleanup>()?
        .register_workflow::<Enrollment>()?
        .register_workflow::<GenerateDraft>()?
        .register_workflow::<NightlyReport>()?
        .register_workflow::<CleanUp>()?
        .build();
    let replayer = WorkflowReplayer::new(options)?;
    let mut seen = 0;
    for version in files(&histories())? {
        for path in files(&version)? {
            let history = WorkflowHistory::from_json(&std::fs::read(&path)?)?;
            replayer
                .replay_workflow(history)
                .await
                .with_context(|| path.display().to_string())?;
            seen += 1;
        }
    }
    ensure!(seen >= 14, "only {seen} histories");
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
        let history = WorkflowHistory::from_json(&std::fs::read(histories().join("0.2").join(name))?)?;
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
