//! The progress service: what learners have done, where they stand, and the certificates they earned.
//!
//! Owns schema `progress`. Serves `smartcourse.progress.ProgressService`.
//!
//! **Progress is a function of facts and a version.** A fact is "this lesson is done", by lesson id and for good. Every
//! number is counted from the facts and the lessons of the published version, whenever it is asked for ([`standing`],
//! [`percentage`]). After a republish therefore
//!
//! - a lesson that stayed keeps its fact, whatever else of it changed;
//! - a lesson that was removed no longer counts, and counts again if a later version brings its id back;
//! - a lesson that was added counts as not done;
//! - a completion stays, with its date, its certificate and the version it was earned with, while the percentage shows
//!   the published version and may be below 100 again;
//! - a version that leaves nothing open completes the course, as if the last lesson had just been done; until a background
//!   task has [got to the learner](settling), the percentage is 100 already and `completed_at` not there yet.

mod certificate_code;
pub mod codes;
mod completion;
pub mod config;
mod consumers;
mod enrollments;
mod grading;
mod grpc;
mod learner;
mod ops;
mod pdf;
mod percentage;
mod settling;
mod standing;

use std::sync::{Arc, LazyLock};

pub use consumers::Republished;
pub use grpc::Api;
pub use settling::Settling;
use smartcourse_platform::{Result, config::Config, grpc::Transport, postgres};
use smartcourse_proto::{
    course::Quiz,
    ids::VersionId,
    progress::progress_service_server::ProgressServiceServer,
    stubs::{CourseStub, EnrollmentStub, UserStub},
};
use sqlx::{PgPool, migrate::Migrator};

/// Quizzes kept in memory.
const QUIZZES: u64 = 1_000;

/// The ways to the services this one asks.
pub struct Dependencies {
    /// What is published, and the quizzes.
    pub course: Transport,
    /// Who is enrolled.
    pub enrollment: Transport,
    /// What learners are called.
    pub user: Transport,
}

/// What the operations work with.
pub(crate) struct State {
    pub(crate) pool: PgPool,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) enrollment: EnrollmentStub<Transport>,
    pub(crate) user: UserStub<Transport>,
    /// Quizzes by course, version and lesson: versions never change.
    pub(crate) quizzes: moka::future::Cache<(VersionId, String), Arc<Quiz>>,
    /// What certificates are printed with: fonts are read when the first is printed, not by every start.
    pub(crate) letters: Arc<LazyLock<pdf::Letters, Box<dyn FnOnce() -> pdf::Letters + Send>>>,
}

/// The migrations of this service's schema.
pub fn migrator() -> Migrator {
    postgres::in_schema("progress", sqlx::migrate!("./migrations"))
}

/// The gRPC server of this service.
///
/// # Errors
/// When the settings of certificates were not declared.
pub fn service(config: &Config, pool: PgPool, deps: Dependencies) -> Result<ProgressServiceServer<Api>> {
    let settings: config::Progress = config.section()?;
    let state = State {
        pool,
        course: CourseStub::new(deps.course),
        enrollment: EnrollmentStub::new(deps.enrollment),
        user: UserStub::new(deps.user),
        quizzes: moka::future::Cache::new(QUIZZES),
        letters: Arc::new(LazyLock::new(Box::new(move || {
            pdf::Letters::open(&settings.fonts_dir)
        }))),
    };
    Ok(ProgressServiceServer::limited(Api(Arc::new(state))))
}
