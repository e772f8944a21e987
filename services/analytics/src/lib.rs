//! The analytics service: numbers made from the event log, and from nothing else.
//!
//! Owns schema `analytics`. Serves `smartcourse.analytics.AnalyticsService`. Its consumer group
//! `analytics.counter` reads every event that counts; [`rebuild`] computes the same tables from the log again.

pub mod codes;
mod consumers;
mod facts;
mod grpc;
mod ops;
mod rebuild;
mod tasks;

use std::{sync::Arc, time::Duration};

pub use consumers::{Counter, GROUP};
pub use grpc::Api;
pub use rebuild::{Rebuilt, rebuild};
use smartcourse_platform::{Result, clock::Clock, config::Config, grpc::Transport, postgres};
use smartcourse_proto::{analytics::analytics_service_server::AnalyticsServiceServer, stubs::CourseStub};
use sqlx::{PgPool, migrate::Migrator};
pub use tasks::Reports;

/// The migrations of this service's schema.
pub fn migrator() -> Migrator {
    postgres::in_schema("analytics", sqlx::migrate!("./migrations"))
}

/// What the service stands on.
pub struct Dependencies {
    /// Who knows the owners of courses.
    pub course: Transport,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counted: ops::awaiting::Counted,
    /// How old a report becomes.
    pub(crate) keep_reports: Duration,
}

/// The gRPC server of this service.
///
/// # Errors
/// None today; the signature is that of all services.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<AnalyticsServiceServer<Api>> {
    let state = State {
        counted: ops::awaiting::Counted::new(pool.clone()),
        pool,
        course: CourseStub::new(deps.course),
        clock: deps.clock,
        keep_reports: config.upkeep.keep_reports_days.into(),
    };
    Ok(AnalyticsServiceServer::limited(Api(Arc::new(state))))
}
