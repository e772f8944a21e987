//! What undoes a publish: the compensations of the steps that were begun, in reverse.

use temporalio_workflow::{ActivityExecutionError, WorkflowContext};

use crate::{
    Cause,
    contract::{
        ContentActivities, CourseActivities, EnrollmentActivities, FinishInput, ProgressActivities, StepRef,
    },
    policy::Settings,
};

/// One thing to undo. A step registers its own before its effect: the effect may have happened even when the step
/// failed, and undoing what never happened does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// Step 2.
    Content,
    /// Step 3.
    Files,
    /// Step 4.
    Chunks,
    /// Step 5.
    Vectors,
    /// Step 6.
    Index,
    /// Step 7, enrollment's rows.
    Enrollment,
    /// Step 7, progress's rows.
    Progress,
}

/// Everything a publish can have done, in the order of its steps.
pub const ALL: [Undo; 7] = [
    Undo::Content,
    Undo::Files,
    Undo::Chunks,
    Undo::Vectors,
    Undo::Index,
    Undo::Enrollment,
    Undo::Progress,
];

/// Decides against the version and undoes the given steps in reverse, then records the end of the attempt.
///
/// `Ok(true)`: the flip came first, nothing was undone and the publish stands. Compensations are tried until they work;
/// an error is one no retry can mend, and the reconciler takes over.
pub async fn compensate<W: 'static>(
    ctx: &WorkflowContext<W>,
    settings: &Settings,
    step: &StepRef,
    undo: &[Undo],
    cause: &Cause,
) -> Result<bool, ActivityExecutionError> {
    let outcome = ctx
        .execute_activity(
            CourseActivities::abort_version,
            step.clone(),
            settings.compensation("Decide against the version".to_owned()),
        )
        .await?;
    if outcome.already_published {
        return Ok(true);
    }
    for what in undo.iter().rev() {
        undo_one(ctx, settings, step, *what).await?;
    }
    if let Some(attempt_id) = step.attempt_id.clone() {
        let input = FinishInput {
            attempt_id,
            cancelled: cause.cancelled,
            code: cause.code.clone(),
            message: cause.message.clone(),
        };
        ctx.execute_activity(
            CourseActivities::finish_attempt,
            input,
            settings.compensation("Record how the publish ended".to_owned()),
        )
        .await?;
    }
    Ok(false)
}

async fn undo_one<W: 'static>(
    ctx: &WorkflowContext<W>,
    settings: &Settings,
    step: &StepRef,
    what: Undo,
) -> Result<(), ActivityExecutionError> {
    let options = |label: &str| settings.compensation(format!("Undo: {label}"));
    let step = step.at(0);
    match what {
        Undo::Content => {
            ctx.execute_activity(
                CourseActivities::delete_version,
                step,
                options("delete the version"),
            )
            .await
        }
        Undo::Files => {
            ctx.execute_activity(
                ContentActivities::discard_files,
                step,
                options("delete its files"),
            )
            .await
        }
        Undo::Chunks => {
            ctx.execute_activity(
                ContentActivities::discard_chunks,
                step,
                options("drop its chunks"),
            )
            .await
        }
        Undo::Vectors => {
            ctx.execute_activity(
                ContentActivities::discard_vectors,
                step,
                options("drop its vectors"),
            )
            .await
        }
        Undo::Index => {
            ctx.execute_activity(
                ContentActivities::discard_index,
                step,
                options("drop its search entries"),
            )
            .await
        }
        Undo::Enrollment => {
            ctx.execute_activity(
                EnrollmentActivities::discard_enrollment,
                step,
                options("drop enrollment's rows"),
            )
            .await
        }
        Undo::Progress => {
            ctx.execute_activity(
                ProgressActivities::discard_progress,
                step,
                options("drop progress's rows"),
            )
            .await
        }
    }
}
