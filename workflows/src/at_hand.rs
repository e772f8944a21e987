//! Activities of a few rows, within the workflow's own task.

use temporalio_common::error::IncomingError;
use temporalio_workflow::{ActivityExecutionError, WorkflowCancellationToken, WorkflowContext};

use crate::{contract::Activity, policy::Settings};

/// Runs an activity of a few rows as a local one, if that works soon, which it nearly always does: it spares the server a
/// task and six events of history. What lasts longer is for the regular activity, whose retries the server keeps.
///
/// Nothing is given up for it: a worker that dies on the way leaves the workflow task to another, which runs the activity
/// again, as it would a regular one.
pub(crate) async fn at_hand<W, A>(
    ctx: &WorkflowContext<W>,
    settings: &Settings,
    activity: A,
    input: A::Input,
    summary: String,
    token: &WorkflowCancellationToken,
) -> Result<A::Output, ActivityExecutionError>
where
    W: 'static,
    A: Activity + Copy,
    A::Input: Clone,
{
    let local = settings.local(summary.clone(), token);
    match (
        ctx.execute_local_activity(activity, input.clone(), local).await,
        settings.after_local(),
    ) {
        (Err(error @ ActivityExecutionError::Failed(_)), Some(rest)) if !is_refusal(&error) => {
            let regular = rest.quick(summary, token);
            ctx.execute_activity(activity, input, regular).await
        }
        (outcome, _) => outcome,
    }
}

/// Whether the service has decided, so that no other try ends differently.
fn is_refusal(error: &ActivityExecutionError) -> bool {
    matches!(error.cause(), Some(IncomingError::Application(failure)) if failure.is_non_retryable())
}
