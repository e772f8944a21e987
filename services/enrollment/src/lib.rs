//! The enrollment service: seats, who holds one, and how the onboarding of each stands.
//!
//! Owns schema `enrollment`. Serves `smartcourse.enrollment.EnrollmentService`.

pub mod codes;
pub mod config;
mod consumers;
mod eligibility;
mod grpc;
mod model;
mod ops;

use std::{sync::Arc, time::Duration};

pub use consumers::{Commands, Completions};
pub use grpc::Api;
use smartcourse_platform::{
    Result,
    coalesce::Coalesce,
    config::{Config, Temporal},
    grpc::Transport,
    postgres,
    reader::Reader,
};
use smartcourse_proto::{
    course::Course,
    enrollment::enrollment_service_server::EnrollmentServiceServer,
    ids::CourseId,
    stubs::{CourseStub, ProgressStub, UserStub},
};
use smartcourse_workflows::policy::Settings;
use sqlx::{PgPool, migrate::Migrator};

/// The migrations of this service's schema.
pub fn migrator() -> Migrator {
    postgres::in_schema("enrollment", sqlx::migrate!("./migrations"))
}

/// How long a drop waits for the progress service.
const ASK: Duration = Duration::from_secs(5);

/// The ways to the services this one asks.
pub struct Dependencies {
    /// What is published.
    pub course: Transport,
    /// Who is a student.
    pub user: Transport,
    /// Who has completed a course.
    pub progress: Transport,
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    /// For what is read most.
    pub(crate) reader: Reader,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) user: UserStub<Transport>,
    pub(crate) progress: ProgressStub<Transport>,
    /// A rush on one course reads it once, not once per student.
    pub(crate) courses: Coalesce<CourseId, Arc<Course>>,
    pub(crate) settings: Settings,
    pub(crate) analytics_wait_ms: i32,
    pub(crate) temporal: Temporal,
}

impl State {
    fn new(config: &Config, pool: PgPool, deps: Dependencies) -> Result<Self> {
        let settings: config::Enrollment = config.section()?;
        Ok(Self {
            reader: Reader::new(pool.clone()),
            pool,
            course: CourseStub::new(deps.course),
            user: UserStub::new(deps.user),
            // A drop that asks holds a connection.
            progress: ProgressStub::new(deps.progress.with_deadline(ASK)),
            courses: Coalesce::default(),
            settings: Settings {
                retry_initial_ms: settings.retry_initial_ms,
                retry_max_seconds: settings.retry_max_seconds,
                ..Settings::default()
            },
            analytics_wait_ms: settings.analytics_wait_ms,
            temporal: config.temporal.clone(),
        })
    }
}

/// The gRPC server of this service.
///
/// # Errors
/// When the settings of enrollment were not declared.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<EnrollmentServiceServer<Api>> {
    let state = State::new(config, pool, deps)?;
    Ok(EnrollmentServiceServer::limited(Api(Arc::new(state))))
}
