//! One stub per service.

use std::time::Duration;

use smartcourse_platform::grpc::{TRANSACTIONS, Transport};
use smartcourse_proto::{
    analytics::analytics_service_server,
    assistant::assistant_service_server,
    content::content_service_server,
    course::course_service_server,
    enrollment::enrollment_service_server,
    notification::notification_service_server,
    operations::operations_service_server,
    progress::progress_service_server,
    stubs::{
        AnalyticsStub, AssistantStub, ContentStub, CourseStub, EnrollmentStub, NotificationStub,
        OperationsStub, ProgressStub, UserStub,
    },
    user::user_service_server,
};

/// Largest message of an upload's stream; a larger one breaks the stream on purpose (see the assets routes).
pub(crate) const UPLOAD_MESSAGE: usize = 1024 * 1024;

/// Longest upload: a slow one is watched by the pauses between its parts. The content service takes one for broken after a day.
const UPLOAD: Duration = Duration::from_secs(12 * 3600);

/// The channel to each service.
pub struct Channels {
    /// To the user service.
    pub user: Transport,
    /// To the course service.
    pub course: Transport,
    /// To the content service.
    pub content: Transport,
    /// To the assistant service.
    pub assistant: Transport,
    /// To the enrollment service.
    pub enrollment: Transport,
    /// To the progress service.
    pub progress: Transport,
    /// To the notification service.
    pub notification: Transport,
    /// To the analytics service.
    pub analytics: Transport,
    /// To the operations service.
    pub operations: Transport,
}

/// Typed stubs; a clone is cheap, and every call takes one.
#[derive(Clone)]
pub struct Stubs {
    pub(crate) user: UserStub<Transport>,
    pub(crate) course: CourseStub<Transport>,
    pub(crate) content: ContentStub<Transport>,
    pub(crate) uploads: ContentStub<Transport>,
    pub(crate) assistant: AssistantStub<Transport>,
    pub(crate) enrollment: EnrollmentStub<Transport>,
    pub(crate) progress: ProgressStub<Transport>,
    pub(crate) notification: NotificationStub<Transport>,
    pub(crate) analytics: AnalyticsStub<Transport>,
    pub(crate) operations: OperationsStub<Transport>,
    /// Every service, for the readiness probe.
    pub(crate) probes: Vec<Probe>,
    /// Whether the transactions of the database go on.
    pub(crate) transactions: Probe,
}

/// A service to ask whether it is well.
#[derive(Clone)]
pub(crate) struct Probe {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Its protobuf name: a process answers for each of its services.
    pub(crate) service: &'static str,
    pub(crate) channel: Transport,
}

impl Stubs {
    /// Makes the stubs.
    pub fn new(to: Channels) -> Self {
        let probe = |name, service, channel: &Transport| Probe {
            name,
            service,
            channel: channel.clone(),
        };
        // One database for all: any service knows.
        let transactions = probe("transactions", TRANSACTIONS, &to.user);
        let probes = vec![
            probe("user", user_service_server::SERVICE_NAME, &to.user),
            probe("course", course_service_server::SERVICE_NAME, &to.course),
            probe("content", content_service_server::SERVICE_NAME, &to.content),
            probe("assistant", assistant_service_server::SERVICE_NAME, &to.assistant),
            probe(
                "enrollment",
                enrollment_service_server::SERVICE_NAME,
                &to.enrollment,
            ),
            probe("progress", progress_service_server::SERVICE_NAME, &to.progress),
            probe(
                "notification",
                notification_service_server::SERVICE_NAME,
                &to.notification,
            ),
            probe("analytics", analytics_service_server::SERVICE_NAME, &to.analytics),
            probe(
                "operations",
                operations_service_server::SERVICE_NAME,
                &to.operations,
            ),
        ];
        Self {
            user: UserStub::new(to.user),
            course: CourseStub::new(to.course),
            uploads: ContentStub::limited(to.content.clone().with_deadline(UPLOAD), UPLOAD_MESSAGE),
            content: ContentStub::new(to.content),
            assistant: AssistantStub::new(to.assistant),
            enrollment: EnrollmentStub::new(to.enrollment),
            progress: ProgressStub::new(to.progress),
            notification: NotificationStub::new(to.notification),
            analytics: AnalyticsStub::new(to.analytics),
            operations: OperationsStub::new(to.operations),
            probes,
            transactions,
        }
    }
}
