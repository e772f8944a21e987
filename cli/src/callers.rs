//! Which roles and services call a service: the names their certificates must have, where internal calls are encrypted.

use smartcourse_proto::stubs::ServiceName;

/// Their names: services by their own, `gateway`, `worker`, `relay` and `tasks`.
pub(crate) fn of(service: ServiceName) -> &'static [&'static str] {
    match service {
        ServiceName::User => &["gateway", "enrollment", "progress", "worker", "tasks"],
        ServiceName::Course => &[
            "gateway",
            "content",
            "assistant",
            "enrollment",
            "progress",
            "analytics",
            "worker",
            "relay",
            "tasks",
        ],
        ServiceName::Content => &["gateway", "assistant", "worker"],
        ServiceName::Assistant => &["gateway", "operations", "worker", "relay"],
        ServiceName::Enrollment => &["gateway", "course", "progress", "notification", "worker", "relay"],
        ServiceName::Progress => &["gateway", "enrollment", "worker"],
        ServiceName::Notification => &["gateway", "operations", "worker"],
        ServiceName::Analytics | ServiceName::Operations => &["gateway", "worker"],
    }
}
