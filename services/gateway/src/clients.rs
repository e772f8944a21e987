//! One client per service.

use std::time::Duration;

use smartcourse_platform::{
    grpc::{TRANSACTIONS, Transport},
    grpc_client,
};
use smartcourse_proto::{
    analytics::{analytics_service_client::AnalyticsServiceClient, analytics_service_server},
    assistant::{assistant_service_client::AssistantServiceClient, assistant_service_server},
    content::{content_service_client::ContentServiceClient, content_service_server},
    course::{course_service_client::CourseServiceClient, course_service_server},
    enrollment::{enrollment_service_client::EnrollmentServiceClient, enrollment_service_server},
    notification::{notification_service_client::NotificationServiceClient, notification_service_server},
    progress::{progress_service_client::ProgressServiceClient, progress_service_server},
    user::{user_service_client::UserServiceClient, user_service_server},
};

/// Largest message of an upload's stream; a larger one breaks the stream on purpose (see the assets routes).
pub(crate) const UPLOAD_MESSAGE: usize = 1024 * 1024;

/// Longest upload: a slow one is watched by the pauses between its parts. The content service takes one for broken after a day.
const UPLOAD: Duration = Duration::from_secs(12 * 3600);

/// The way to each service.
pub struct Transports {
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
}

/// Typed clients; a clone is cheap, and every call takes one.
#[derive(Clone)]
pub struct Clients {
    pub(crate) user: UserServiceClient<Transport>,
    pub(crate) course: CourseServiceClient<Transport>,
    pub(crate) content: ContentServiceClient<Transport>,
    pub(crate) uploads: ContentServiceClient<Transport>,
    pub(crate) assistant: AssistantServiceClient<Transport>,
    pub(crate) enrollment: EnrollmentServiceClient<Transport>,
    pub(crate) progress: ProgressServiceClient<Transport>,
    pub(crate) notification: NotificationServiceClient<Transport>,
    pub(crate) analytics: AnalyticsServiceClient<Transport>,
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
    pub(crate) way: Transport,
}

impl Clients {
    /// Makes the clients.
    pub fn new(to: Transports) -> Self {
        let probe = |name, service, way: &Transport| Probe {
            name,
            service,
            way: way.clone(),
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
        ];
        Self {
            user: grpc_client!(UserServiceClient<Transport>, to.user),
            course: grpc_client!(CourseServiceClient<Transport>, to.course),
            uploads: grpc_client!(
                ContentServiceClient<Transport>,
                to.content.clone().with_deadline(UPLOAD)
            )
            .max_encoding_message_size(UPLOAD_MESSAGE),
            content: grpc_client!(ContentServiceClient<Transport>, to.content),
            assistant: grpc_client!(AssistantServiceClient<Transport>, to.assistant),
            enrollment: grpc_client!(EnrollmentServiceClient<Transport>, to.enrollment),
            progress: grpc_client!(ProgressServiceClient<Transport>, to.progress),
            notification: grpc_client!(NotificationServiceClient<Transport>, to.notification),
            analytics: grpc_client!(AnalyticsServiceClient<Transport>, to.analytics),
            probes,
            transactions,
        }
    }
}
