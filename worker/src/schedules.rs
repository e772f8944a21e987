//! Makes the Temporal Schedules of [`smartcourse_workflows::upkeep`] where they are missing. What an operator changed or
//! paused stays as it is.

use smartcourse_platform::{Error, Result, error::codes, temporal::Temporal};
use smartcourse_workflows::{
    TASK_QUEUE,
    upkeep::{SCHEDULES, Schedule},
};
use temporalio_client::schedules::{CreateScheduleOptions, ScheduleAction, ScheduleError, ScheduleSpec};

/// Creates every schedule the server does not know.
pub(crate) async fn ensure(temporal: &Temporal) -> Result<()> {
    for schedule in &SCHEDULES {
        create(temporal, schedule).await?;
    }
    Ok(())
}

async fn create(temporal: &Temporal, schedule: &Schedule) -> Result<()> {
    let action = ScheduleAction::StartWorkflow {
        workflow_type: schedule.workflow_type.to_owned(),
        task_queue: TASK_QUEUE.to_owned(),
        workflow_id: schedule.id.to_owned(),
        input: None,
    };
    let spec = ScheduleSpec::builder()
        .cron_strings(vec![schedule.cron.to_owned()])
        .build();
    let options = CreateScheduleOptions::builder()
        .action(action)
        .spec(spec)
        .note(schedule.summary.to_owned())
        .build();
    match temporal
        .client()
        .await?
        .create_schedule(schedule.id, options)
        .await
    {
        Ok(_) => {
            tracing::info!(schedule = schedule.id, "schedule made");
            Ok(())
        }
        Err(ScheduleError::Rpc(status)) if status.code() == tonic::Code::AlreadyExists => Ok(()),
        Err(error) => Err(Error::new(&codes::UNAVAILABLE, "a schedule could not be made").because(error)),
    }
}
