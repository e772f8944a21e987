//! Making a Temporal Schedule. The SDK's own request names no time-out for the runs, so the server's message is written
//! here.

use std::{future::Future, time::Duration};

use backon::{ConstantBuilder, Retryable as _};
use smartcourse_platform::ports::workflows::Schedule;
use temporalio_client::{Client, grpc::WorkflowService};
use temporalio_common::protos::temporal::api::{
    common::v1::WorkflowType,
    schedule::v1::{self as message, schedule_action::Action},
    taskqueue::v1::TaskQueue,
    workflow::v1::NewWorkflowExecutionInfo,
    workflowservice::v1::CreateScheduleRequest,
};
use tonic::{Code, IntoRequest as _, Status};
use uuid::Uuid;

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Tries after the first one before it is left to the next time.
const RETRIES: usize = 2;

/// Makes a schedule; `AlreadyExists` when there is one of its id.
pub(super) async fn create(client: &Client, namespace: &str, schedule: &Schedule) -> Result<(), Status> {
    let request = request(namespace, schedule);
    let made = patiently(PATIENCE, || {
        let (mut client, request) = (client.clone(), request.clone());
        async move { WorkflowService::create_schedule(&mut client, request.into_request()).await }
    });
    made.await.map(drop)
}

/// The schedule as the server takes it. Its id makes a second request with it one and the same.
fn request(namespace: &str, schedule: &Schedule) -> CreateScheduleRequest {
    let run = NewWorkflowExecutionInfo {
        workflow_id: schedule.id.to_owned(),
        workflow_type: Some(WorkflowType {
            name: schedule.workflow_type.to_owned(),
        }),
        task_queue: Some(TaskQueue {
            name: schedule.task_queue.to_owned(),
            ..TaskQueue::default()
        }),
        workflow_execution_timeout: schedule.run_timeout.try_into().ok(),
        ..NewWorkflowExecutionInfo::default()
    };
    CreateScheduleRequest {
        namespace: namespace.to_owned(),
        schedule_id: schedule.id.to_owned(),
        schedule: Some(message::Schedule {
            spec: Some(message::ScheduleSpec {
                cron_string: vec![schedule.cron.to_owned()],
                ..message::ScheduleSpec::default()
            }),
            action: Some(message::ScheduleAction {
                action: Some(Action::StartWorkflow(run)),
            }),
            policies: None,
            state: Some(message::ScheduleState {
                notes: schedule.summary.to_owned(),
                ..message::ScheduleState::default()
            }),
        }),
        identity: format!("smartcourse-{}", std::process::id()),
        request_id: Uuid::new_v4().to_string(),
        ..CreateScheduleRequest::default()
    }
}

/// A few tries, each of which ends in time; that the schedule is there already is an answer.
async fn patiently<T, F: Future<Output = Result<T, Status>>>(
    patience: Duration,
    mut call: impl FnMut() -> F,
) -> Result<T, Status> {
    let pauses = ConstantBuilder::new()
        .with_delay(patience / 10)
        .with_max_times(RETRIES);
    let once = || {
        let answer = tokio::time::timeout(patience, call());
        async move {
            answer
                .await
                .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
        }
    };
    once.retry(pauses)
        .when(|status| status.code() != Code::AlreadyExists)
        .notify(|status, _| tracing::debug!(%status, "trying again"))
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_says_nothing_does_not_hold_up_the_reconciler() {
        let mut calls = 0;
        let outcome: Result<(), Status> = patiently(Duration::from_millis(10), || {
            calls += 1;
            std::future::pending()
        })
        .await;
        assert_eq!(outcome.expect_err("no answer").code(), Code::DeadlineExceeded);
        assert_eq!(calls, RETRIES + 1);
    }

    #[tokio::test]
    async fn a_hiccup_is_outlasted_and_what_is_there_is_an_answer() {
        let mut answers = vec![Ok(()), Err(Status::unavailable("a hiccup"))];
        let outcome = patiently(PATIENCE / 100, || {
            std::future::ready(answers.pop().expect("an answer"))
        })
        .await;
        assert!(outcome.is_ok());
        let mut calls = 0;
        let outcome: Result<(), Status> = patiently(PATIENCE, || {
            calls += 1;
            std::future::ready(Err(Status::already_exists("there")))
        })
        .await;
        assert_eq!(
            (outcome.expect_err("there").code(), calls),
            (Code::AlreadyExists, 1)
        );
    }

    #[test]
    fn a_scheduled_run_has_an_end() {
        let schedule = Schedule {
            id: "s",
            workflow_type: "W",
            task_queue: "q",
            cron: "0 0 * * *",
            summary: "",
            run_timeout: Duration::from_secs(60),
        };
        let request = request("default", &schedule);
        let action = request.schedule.and_then(|schedule| schedule.action?.action);
        let Some(Action::StartWorkflow(run)) = action else {
            panic!("it starts a workflow")
        };
        assert_eq!(run.workflow_execution_timeout.map(|time| time.seconds), Some(60));
    }
}
