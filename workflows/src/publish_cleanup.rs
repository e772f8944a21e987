//! PublishCleanup: undoes an attempt whose workflow ended without doing it itself.
//!
//! Trigger: the reconciler finds an open attempt whose run was terminated, timed out or lost. Id: `cleanup-{attempt_id}`.
//! It undoes every step, whether begun or not: undoing what never happened does nothing.

use serde::{Deserialize, Serialize};
use smartcourse_proto::common::VersionRef;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowContextView, WorkflowResult};

use crate::{Cause, activities::PUBLISHING, policy::Settings, saga};

/// The id that names the clean-up of one attempt.
pub fn workflow_id(attempt_id: &str) -> String {
    format!("cleanup-{attempt_id}")
}

/// Input of the workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CleanupInput {
    /// Attempt and version to undo.
    pub target: VersionRef,
    /// A code of docs/ERRORS.md.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether the attempt was being cancelled.
    #[serde(default)]
    pub cancelled: bool,
}

/// The workflow.
#[workflow]
pub struct PublishCleanup {
    input: CleanupInput,
}

#[workflow_methods]
impl PublishCleanup {
    #[init]
    fn new(_: &WorkflowContextView, input: CleanupInput) -> Self {
        Self { input }
    }

    /// Decides against the version and undoes every step.
    #[run(name = "PublishCleanup")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<()> {
        let input = ctx.state(|state| state.input.clone());
        let cause = Cause {
            code: input.code,
            message: input.message,
            cancelled: input.cancelled,
        };
        let undo = PUBLISHING.undo_all();
        saga::compensate(ctx, &Settings::default(), &input.target, &undo, &cause).await?;
        Ok(())
    }
}
