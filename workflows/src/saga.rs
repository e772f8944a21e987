//! What undoes a publish: the compensations of the steps that were begun, in reverse.

use smartcourse_proto::{
    common::{Problem, VersionRef},
    course::{FinishAttemptRequest, PublishState},
};
use temporalio_workflow::{ActivityExecutionError, WorkflowContext};

use crate::{
    Cause,
    activities::{AbortVersion, FinishAttempt},
    contract::Undo,
    policy::Settings,
};

/// Decides against the version and undoes the given steps in reverse, then records the end of the attempt.
///
/// `Ok(true)`: the flip came first, nothing was undone and the publish stands. Compensations are tried until they work;
/// an error is one no retry can mend, and the reconciler takes over.
pub async fn compensate<W: 'static>(
    ctx: &WorkflowContext<W>,
    settings: &Settings,
    target: &VersionRef,
    undo: &[Undo],
    cause: &Cause,
) -> Result<bool, ActivityExecutionError> {
    let options = |summary: &str| settings.compensation(summary.to_owned());
    let decide = options("Decide against the version");
    let outcome = ctx.execute_activity(AbortVersion, target.clone(), decide).await?;
    if outcome.already_published {
        return Ok(true);
    }
    for what in undo.iter().rev() {
        if what.since.is_some_and(|patch| !ctx.patched(patch)) {
            continue;
        }
        ctx.execute_activity(*what, target.clone(), options(what.does))
            .await?;
    }
    let state = match cause.cancelled {
        true => PublishState::Cancelled,
        false => PublishState::Failed,
    };
    let end = FinishAttemptRequest {
        attempt_id: target.attempt_id.clone(),
        state: state.into(),
        error: Some(Problem {
            code: cause.code.clone(),
            message: cause.message.clone(),
        }),
    };
    let record = options("Record how the publish ended");
    ctx.execute_activity(FinishAttempt, end, record).await?;
    Ok(false)
}
