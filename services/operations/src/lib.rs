//! The operations service: what administrators look after, whichever service it comes from.
//!
//! Owns no schema: events nobody could take, tasks that were given up and settled rows are the platform's, runs of
//! workflows are Temporal's. Serves `smartcourse.operations.OperationsService`.

mod grpc;
mod ops;

use std::{sync::Arc, time::Duration};

use smartcourse_platform::{
    Result,
    clock::Clock,
    config::{Config, Temporal},
    grpc::Transport,
    ports::{event_log::EventHistory, workflows::Workflows},
};
use smartcourse_proto::{
    operations::operations_service_server::OperationsServiceServer,
    stubs::{AssistantStub, NotificationStub},
};
use sqlx::PgPool;

pub use grpc::Api;

/// As long as the sweep of another service may take: the activity that asks for all of them waits for half an hour.
const LONGEST_SWEEP: Duration = Duration::from_secs(800);

/// What the service stands on.
pub struct Dependencies {
    /// Knows the runs of workflows.
    pub workflows: Arc<dyn Workflows>,
    /// The log of events, and where its old months go.
    pub history: Arc<dyn EventHistory>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who keeps conversations.
    pub assistant: Transport,
    /// Who keeps what people were told.
    pub notification: Transport,
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) workflows: Arc<dyn Workflows>,
    pub(crate) history: Arc<dyn EventHistory>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) assistant: AssistantStub<Transport>,
    pub(crate) notification: NotificationStub<Transport>,
    pub(crate) temporal: Temporal,
    /// How old a settled row becomes.
    pub(crate) keep: Duration,
    /// How old events become; `None` when they stay.
    pub(crate) keep_events: Option<Duration>,
}

/// The gRPC server of this service.
///
/// # Errors
/// None today; the signature is that of all services.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<OperationsServiceServer<Api>> {
    let state = State {
        pool,
        workflows: deps.workflows,
        history: deps.history,
        clock: deps.clock,
        assistant: AssistantStub::new(deps.assistant.with_deadline(LONGEST_SWEEP)),
        notification: NotificationStub::new(deps.notification.with_deadline(LONGEST_SWEEP)),
        temporal: config.temporal.clone(),
        keep: config.upkeep.keep_days.into(),
        keep_events: Some(config.upkeep.keep_events_days.into()).filter(|keep: &Duration| !keep.is_zero()),
    };
    Ok(OperationsServiceServer::limited(Api(Arc::new(state))))
}
