//! The events of the log: what each says, under which key, in which shape, and who writes it.
//!
//! `docs/asyncapi.json` is made from it, and a test holds that no other event is written.

use std::borrow::Cow;

use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use crate::events::{
    AssistantAnswered, CertificateIssued, CourseArchived, CourseCompleted, CourseDeleted,
    CoursePublishFailed, CoursePublished, EnrollmentCreated, EnrollmentDropped, EnrollmentRefused,
    EnrollmentRequested, NotificationFailed, ProgressUpdated, UserRegistered, UserRoleChanged,
};
use crate::key::Key;

/// A type of event.
#[derive(Debug, Clone, Copy)]
pub struct EventType {
    /// Such as `course.published`.
    pub name: &'static str,
    /// What its key is.
    pub key: Key,
    /// The service that writes it; none when it is for others to write.
    pub sender: Option<&'static str>,
    /// What has happened.
    pub summary: &'static str,
    message: fn() -> Cow<'static, str>,
    schema: fn() -> RefOr<Schema>,
}

impl EventType {
    /// Name of the message in `events.proto`.
    pub fn message(&self) -> Cow<'static, str> {
        (self.message)()
    }

    /// JSON schema of the payload.
    pub fn schema(&self) -> RefOr<Schema> {
        (self.schema)()
    }
}

const fn event<T: ToSchema>(
    name: &'static str,
    key: Key,
    sender: Option<&'static str>,
    summary: &'static str,
) -> EventType {
    EventType {
        name,
        key,
        sender,
        summary,
        message: T::name,
        schema: T::schema,
    }
}

/// Every type of event.
pub const EVENTS: [EventType; 15] = [
    event::<UserRegistered>(
        "user.registered",
        Key::User,
        Some("user"),
        "Somebody has an account.",
    ),
    event::<UserRoleChanged>(
        "user.role_changed",
        Key::User,
        Some("user"),
        "An administrator gave a user another role.",
    ),
    event::<CoursePublished>(
        "course.published",
        Key::Course,
        Some("course"),
        "A version is what readers see from now on.",
    ),
    event::<CourseArchived>(
        "course.archived",
        Key::Course,
        Some("course"),
        "A course is no longer to be had: archived, or back to being a draft.",
    ),
    event::<CourseDeleted>(
        "course.deleted",
        Key::Course,
        Some("course"),
        "A draft that was never published is gone.",
    ),
    event::<CoursePublishFailed>(
        "course.publish_failed",
        Key::Course,
        Some("course"),
        "A publish ended without a new version. Cancelled ones are not announced.",
    ),
    event::<EnrollmentRequested>(
        "enrollment.requested",
        Key::User,
        None,
        "Somebody who may write to the log asks for an enrollment.",
    ),
    event::<EnrollmentRefused>(
        "enrollment.refused",
        Key::User,
        Some("enrollment"),
        "The answer to a request by event that cannot be met. It has the key of the request.",
    ),
    event::<EnrollmentCreated>(
        "enrollment.created",
        Key::Enrollment,
        Some("enrollment"),
        "A seat was taken, for the first time or again after a drop.",
    ),
    event::<EnrollmentDropped>(
        "enrollment.dropped",
        Key::Enrollment,
        Some("enrollment"),
        "A student has left a course.",
    ),
    event::<ProgressUpdated>(
        "progress.updated",
        Key::Enrollment,
        Some("progress"),
        "A lesson was completed.",
    ),
    event::<CourseCompleted>(
        "course.completed",
        Key::Enrollment,
        Some("progress"),
        "All lessons of the published version are done; once per enrollment and epoch.",
    ),
    event::<CertificateIssued>(
        "certificate.issued",
        Key::Enrollment,
        Some("progress"),
        "A student has a certificate.",
    ),
    event::<NotificationFailed>(
        "notification.failed",
        Key::User,
        Some("notification"),
        "A message was given up after its last try.",
    ),
    event::<AssistantAnswered>(
        "assistant.answered",
        Key::Course,
        Some("assistant"),
        "A question was answered or refused.",
    ),
];
