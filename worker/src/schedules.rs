//! Makes the schedules of [`smartcourse_workflows::upkeep`] where they are missing.

use smartcourse_platform::{
    Result,
    ports::workflows::{Schedule, Workflows},
};
use smartcourse_workflows::{TASK_QUEUE, policy::UPKEEP_TIMEOUT, upkeep::SCHEDULES};

/// Creates every schedule the server does not know; one that cannot be made does not keep the others from it.
pub(crate) async fn ensure(workflows: &dyn Workflows) -> Result<()> {
    let mut outcome = Ok(());
    for schedule in &SCHEDULES {
        let schedule = Schedule {
            id: schedule.id,
            workflow_type: schedule.workflow_type,
            task_queue: TASK_QUEUE,
            cron: schedule.cron,
            summary: schedule.summary,
            run_timeout: UPKEEP_TIMEOUT,
        };
        match workflows.ensure_schedule(&schedule).await {
            Ok(true) => tracing::info!(schedule = schedule.id, "schedule made"),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(schedule = schedule.id, error = %error.chain(), "a schedule could not be made");
                outcome = Err(error);
            }
        }
    }
    outcome
}
