//! `smartcourse.operations.OperationsService`: decode, operate, encode.

use std::sync::Arc;

use smartcourse_platform::{
    Error, Result,
    error::codes,
    grpc::{Actor, Reply, from_service, reply},
};
use smartcourse_proto::{
    common::Swept,
    operations::{operations_service_server::OperationsService, *},
};
use tonic::Request;

use crate::{State, ops};

/// The gRPC face of the service.
pub struct Api(pub(crate) Arc<State>);

/// The message of a call that only administrators and services of ours may make.
fn from_admin<T>(request: Request<T>) -> Result<T> {
    Actor::of(&request)
        .require_admin(|| Error::new(&codes::FORBIDDEN, "only administrators look after the platform"))?;
    Ok(request.into_inner())
}

#[tonic::async_trait]
impl OperationsService for Api {
    async fn list_failed_events(&self, request: Request<FailedEventsRequest>) -> Reply<FailedEventPage> {
        reply(ops::events::list(&self.0, from_admin(request)?).await)
    }
    async fn replay_event(&self, request: Request<ReplayEventRequest>) -> Reply<ReplayedEvent> {
        reply(ops::events::replay(&self.0, from_admin(request)?).await)
    }
    async fn replay_events(&self, request: Request<ReplayEventsRequest>) -> Reply<ReplayedEvents> {
        reply(ops::events::replay_all(&self.0, from_admin(request)?).await)
    }
    async fn list_failed_tasks(&self, request: Request<FailedTasksRequest>) -> Reply<FailedTaskPage> {
        reply(ops::tasks::list(&self.0, from_admin(request)?).await)
    }
    async fn replay_task(&self, request: Request<ReplayTaskRequest>) -> Reply<ReplayedTask> {
        reply(ops::tasks::replay(&self.0, from_admin(request)?).await)
    }
    async fn list_workflow_runs(&self, request: Request<WorkflowRunsRequest>) -> Reply<WorkflowRunPage> {
        reply(ops::runs::list(&self.0, from_admin(request)?).await)
    }
    async fn sweep(&self, request: Request<()>) -> Reply<Swept> {
        from_service(request)?;
        reply(ops::sweep::sweep(&self.0).await)
    }
}
