//! The analytics service: numbers made from the event log, and from nothing else.
//!
//! Owns schema `analytics`. Serves `smartcourse.analytics.AnalyticsService`. Emits nothing. Its consumer group
//! `analytics.counter` reads every event that counts; [`rebuild`] computes the same tables from the log again.
//!
//! | room | holds |
//! |---|---|
//! | [`counter`] | event → fact |
//! | [`numbers`], [`trends`] | every metric, defined in one place |
//! | [`awaiting`] | waiting until an event is counted |
//! | [`report`] | the CSV report as a background task |
//! | [`rebuild`] | everything from the log, compared with what was there |

mod awaiting;
mod counter;
mod grpc;
mod numbers;
mod rebuild;
mod report;
mod trends;

pub use counter::{Counter, GROUP};
pub use grpc::Api;
pub use rebuild::{Rebuilt, rebuild};
pub use report::Reports;
use smartcourse_platform::{
    config::Config,
    grpc::{MAX_MESSAGE, Transport},
    postgres,
};
use smartcourse_proto::{
    analytics::analytics_service_server::{AnalyticsServiceServer, SERVICE_NAME},
    stubs::CourseStub,
};
use sqlx::{PgPool, migrate::Migrator};

/// The protobuf name of this service.
pub const NAME: &str = SERVICE_NAME;

/// The migrations of this service's schema.
pub fn migrator() -> Migrator {
    postgres::in_schema("analytics", sqlx::migrate!("./migrations"))
}

/// The gRPC server of this service; `course` leads to the course service, which knows the owners of courses.
pub fn service(config: &Config, pool: PgPool, course: Transport) -> AnalyticsServiceServer<Api> {
    AnalyticsServiceServer::new(Api::new(pool, CourseStub::new(course), config))
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE)
}
