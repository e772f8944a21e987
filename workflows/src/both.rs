//! A step in two halves.

use temporalio_workflow::{ActivityExecutionError, WorkflowCancellationToken, workflows};

use crate::Cause;

/// Two halves of a step at the same time, both under `token`: when one fails the other is cancelled and waited for.
pub(crate) async fn both(
    token: &WorkflowCancellationToken,
    one: impl Future<Output = Result<(), ActivityExecutionError>>,
    other: impl Future<Output = Result<(), ActivityExecutionError>>,
) -> Result<(), Cause> {
    let stop_other = |outcome: Result<(), ActivityExecutionError>| {
        outcome.map_err(Cause::from).inspect_err(|cause| {
            if !cause.cancelled {
                token.cancel_with_reason("the other half failed");
            }
        })
    };
    let outcomes: [Result<(), Cause>; 2] =
        workflows::join!(async { stop_other(one.await) }, async { stop_other(other.await) }).into();
    // What failed is the reason, not what was cancelled for it.
    let causes = outcomes.into_iter().filter_map(Result::err);
    causes.min_by_key(|cause| cause.cancelled).map_or(Ok(()), Err)
}
