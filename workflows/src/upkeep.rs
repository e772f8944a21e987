//! What happens by the clock: the nightly report, and the clean-up of what nobody needs any more.
//!
//! Trigger: Temporal Schedules, made by the relay ([`SCHEDULES`]). Each activity may come twice and has one effect.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::{activity_definitions, workflow, workflow_methods};
use temporalio_workflow::{WorkflowContext, WorkflowResult};

pub use self::upkeep_activities::*;
use crate::{Cause, policy::Settings};

/// A schedule: its id, the workflow type it starts, and the hours (UTC) at which it does, as a cron expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Id of the schedule.
    pub id: &'static str,
    /// Registered type.
    pub workflow_type: &'static str,
    /// Minute, hour, day of month, month, day of week.
    pub cron: &'static str,
    /// One line for the Temporal UI.
    pub summary: &'static str,
}

/// All schedules.
pub const SCHEDULES: [Schedule; 2] = [
    Schedule {
        id: "nightly-report",
        workflow_type: "NightlyReport",
        cron: "15 2 * * *",
        summary: "Report on the platform, as CSV",
    },
    Schedule {
        id: "clean-up",
        workflow_type: "CleanUp",
        cron: "45 * * * *",
        summary: "Remove old versions, expired tokens and unconfirmed uploads",
    },
];

/// What a clean-up removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Versions and uploads that were gone over.
    pub versions: u64,
    /// Expired refresh tokens.
    pub tokens: u64,
}

/// What the services do by the clock.
pub struct UpkeepActivities;

#[activity_definitions]
impl UpkeepActivities {
    /// Asks for the report of this run; answers its id.
    #[activity(name = "analytics.request_report")]
    pub fn request_report(_: String) -> Result<String, ActivityError> {
        unimplemented!()
    }
    /// Removes superseded versions whose time has come, late writes of discarded ones, and broken uploads.
    #[activity(name = "content.sweep")]
    pub fn sweep_content(_: ()) -> Result<u64, ActivityError> {
        unimplemented!()
    }
    /// Removes refresh tokens that expired.
    #[activity(name = "user.sweep")]
    pub fn sweep_tokens(_: ()) -> Result<u64, ActivityError> {
        unimplemented!()
    }
}

/// Asks for one report a night.
#[workflow]
#[derive(Default)]
pub struct NightlyReport;

#[workflow_methods]
impl NightlyReport {
    /// Answers the report's id.
    #[run(name = "NightlyReport")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<String> {
        let options = Settings::default().quick("Ask for the report".to_owned(), &ctx.cancellation_token());
        let key = ctx.workflow_id().to_owned();
        ctx.execute_activity(UpkeepActivities::request_report, key, options)
            .await
            .map_err(|error| Cause::from(error).into_termination())
    }
}

/// Removes what nobody needs any more.
#[workflow]
#[derive(Default)]
pub struct CleanUp;

#[workflow_methods]
impl CleanUp {
    /// Answers what was removed.
    #[run(name = "CleanUp")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<Swept> {
        let settings = Settings::default();
        let token = ctx.cancellation_token();
        let versions = ctx
            .execute_activity(
                UpkeepActivities::sweep_content,
                (),
                settings.long("Remove old versions and broken uploads".to_owned(), &token),
            )
            .await
            .map_err(|error| Cause::from(error).into_termination())?;
        let tokens = ctx
            .execute_activity(
                UpkeepActivities::sweep_tokens,
                (),
                settings.quick("Remove expired tokens".to_owned(), &token),
            )
            .await
            .map_err(|error| Cause::from(error).into_termination())?;
        Ok(Swept { versions, tokens })
    }
}
