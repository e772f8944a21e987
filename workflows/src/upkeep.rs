//! What happens by the clock: the nightly report, and the clean-up of what nobody needs any more.
//!
//! Trigger: Temporal Schedules, made by the relay ([`SCHEDULES`]). Each activity may come twice and has one effect.
//! The tries of the clean-up are bounded, and a part of it that fails does not keep the others from being done: the run
//! then ends as failed and names it.

use serde::{Deserialize, Serialize};
use smartcourse_proto::{analytics::RequestReportRequest, common};
use temporalio_common::ActivityDefinition;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{ActivityOptions, WorkflowContext, WorkflowResult, WorkflowTermination};

use crate::{
    Cause,
    activities::{RequestReport, SweepContent, SweepDocuments, SweepReports, SweepSettled, SweepTokens},
    contract::Activity,
    policy::Settings,
};

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
        summary: "Remove old versions, late writes, unconfirmed uploads, expired tokens, old reports and settled rows",
    },
];

/// What a clean-up removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swept {
    /// Versions and uploads that were gone over.
    pub versions: u64,
    /// Expired refresh tokens.
    pub tokens: u64,
    /// Discarded versions and deleted courses that were gone over for late writes.
    #[serde(default)]
    pub documents: u64,
    /// Old reports.
    #[serde(default)]
    pub reports: u64,
    /// Rows that only said that something was done.
    #[serde(default)]
    pub settled: u64,
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
        // Nothing waits behind it: it is asked for until the run's own time-out.
        let options = Settings::default().quick("Ask for the report".to_owned(), &ctx.cancellation_token());
        let request = RequestReportRequest {
            idempotency_key: Some(ctx.workflow_id().to_owned()),
        };
        let report = ctx.execute_activity(RequestReport, request, options).await;
        report
            .map(|report| report.id)
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
        let settings = Settings::upkeep();
        let token = ctx.cancellation_token();
        let mut parts = Parts::default();
        let quick = |what: &str| settings.quick(what.to_owned(), &token);
        let long = |what: &str| settings.long(what.to_owned(), &token);
        let tokens = quick("Remove expired tokens");
        let reports = quick("Remove old reports");
        let settled = long("Remove settled rows");
        let documents = long("Remove late writes of discarded versions and deleted courses");
        let content = long("Remove old versions and broken uploads");
        let swept = Swept {
            tokens: parts.sweep(ctx, SweepTokens, tokens).await?,
            reports: parts.sweep(ctx, SweepReports, reports).await?,
            settled: parts.sweep(ctx, SweepSettled, settled).await?,
            // Last: an engine that hangs costs every try its whole time.
            documents: parts.sweep(ctx, SweepDocuments, documents).await?,
            versions: parts.sweep(ctx, SweepContent, content).await?,
        };
        parts.finish(swept)
    }
}

/// The parts of a clean-up that failed, with their causes.
#[derive(Default)]
struct Parts {
    failed: Vec<(&'static str, Cause)>,
}

impl Parts {
    /// What a part removed; a failure is kept for the end. Only a cancellation ends the run at once.
    async fn sweep<A>(
        &mut self,
        ctx: &WorkflowContext<CleanUp>,
        activity: A,
        options: ActivityOptions,
    ) -> Result<u64, WorkflowTermination>
    where
        A: Activity + ActivityDefinition<Input = (), Output = common::Swept>,
    {
        let outcome = ctx.execute_activity(activity, (), options).await;
        match outcome.map_err(Cause::from) {
            Ok(swept) => Ok(swept.removed),
            Err(cause) if cause.cancelled => Err(cause.into_termination()),
            Err(cause) => {
                self.failed.push((A::DECLARATION.name, cause));
                Ok(0)
            }
        }
    }

    /// How the run ends: with what was removed, or failed under the first code and with every part and cause.
    fn finish(self, swept: Swept) -> WorkflowResult<Swept> {
        let Some((_, first)) = self.failed.first() else {
            return Ok(swept);
        };
        let code = first.code.clone();
        let causes = self
            .failed
            .into_iter()
            .map(|(part, cause)| format!("{part}: {}", cause.message));
        let removed = format!(
            "removed were {} versions and uploads, {} discarded versions and deleted courses, {} tokens, {} reports, {} settled rows",
            swept.versions, swept.documents, swept.tokens, swept.reports, swept.settled
        );
        let message = format!("{}; {removed}", causes.collect::<Vec<_>>().join("; "));
        Err(Cause::new(&code, message).into_termination())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_clean_up_names_every_part_that_failed() {
        let swept = Swept {
            tokens: 3,
            ..Swept::default()
        };
        assert!(Parts::default().finish(swept.clone()).is_ok());
        let parts = Parts {
            failed: vec![
                ("content.sweep", Cause::new("unavailable", "files are away")),
                ("operations.sweep", Cause::new("timeout", "too slow")),
            ],
        };
        let told = format!("{:?}", parts.finish(swept).unwrap_err());
        for part in [
            "content.sweep: files are away",
            "operations.sweep: too slow",
            "3 tokens",
            "unavailable",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}
