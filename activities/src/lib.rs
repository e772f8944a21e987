//! Implementations of the declared activities: each is one typed call, made from its declaration.
//!
//! An activity decides nothing: it calls one service once, and the [`perform`](report::Reporter::perform) wrapper does
//! what all of them need – a heartbeat each second, cancellation, progress reports, and errors with their codes.

mod calls;
mod report;

use std::time::Duration;

use smartcourse_platform::{Result, config::Config, grpc::Transport};

pub use calls::Activities;
use report::Reporter;

/// A call that handles much ends before its activity's limit of half an hour does.
const LONGEST_CALL: Duration = Duration::from_secs(1790);

/// The channels to the services the activities call.
#[derive(Clone)]
pub struct Services {
    /// Course service.
    pub course: Transport,
    /// Content service.
    pub content: Transport,
    /// Enrollment service.
    pub enrollment: Transport,
    /// Progress service.
    pub progress: Transport,
    /// Notification service.
    pub notification: Transport,
    /// Analytics service.
    pub analytics: Transport,
    /// Operations service.
    pub operations: Transport,
    /// User service.
    pub user: Transport,
}

impl Services {
    /// Channels to the configured addresses.
    ///
    /// # Errors
    /// When an address cannot be read.
    pub fn remote(config: &Config) -> Result<Self> {
        let grpc = &config.grpc;
        Ok(Self {
            course: Transport::remote(grpc, &grpc.course)?,
            // Files and whole versions take their time; heartbeats and cancellation bound these calls.
            content: Transport::remote(grpc, &grpc.content)?.with_deadline(LONGEST_CALL),
            enrollment: Transport::remote(grpc, &grpc.enrollment)?,
            progress: Transport::remote(grpc, &grpc.progress)?,
            notification: Transport::remote(grpc, &grpc.notification)?,
            analytics: Transport::remote(grpc, &grpc.analytics)?,
            operations: Transport::remote(grpc, &grpc.operations)?,
            user: Transport::remote(grpc, &grpc.user)?,
        })
    }
}
