//! The events of the log: what each says, under which key, in which shape, and who writes it.
//!
//! `docs/asyncapi.json` is made from it, and a test holds that no other event is written.

use std::borrow::Cow;

use utoipa::{
    PartialSchema as _, ToSchema as _,
    openapi::{RefOr, Schema},
};

use crate::{events, key::Key};

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
    parts: fn(&mut Vec<(String, RefOr<Schema>)>),
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

    /// The messages within the payload, each by its name, with their JSON schemas.
    pub fn parts(&self) -> Vec<(String, RefOr<Schema>)> {
        let mut parts = Vec::new();
        (self.parts)(&mut parts);
        parts
    }
}

/// Declares [`EVENTS`]: each with its message, its key and the service that writes it, if it is one of ours.
macro_rules! events {
    ($($name:literal, $message:ident of $key:ident $(by $sender:literal)?: $summary:literal;)*) => {
        /// Every type of event.
        pub const EVENTS: [EventType; [$($name),*].len()] = [$(EventType {
            name: $name,
            key: Key::$key,
            // The first there is: the named one, or none.
            sender: [$(Some($sender),)? None][0],
            summary: $summary,
            message: events::$message::name,
            schema: events::$message::schema,
            parts: events::$message::schemas,
        }),*];
    };
}

events! {
    "user.registered", UserRegistered of User by "user":
        "Somebody has an account.";
    "user.role_changed", UserRoleChanged of User by "user":
        "An administrator gave a user another role.";
    "course.published", CoursePublished of Course by "course":
        "A version is what readers see from now on.";
    "course.archived", CourseArchived of Course by "course":
        "A course is no longer to be had: archived, or back to being a draft.";
    "course.deleted", CourseDeleted of Course by "course":
        "A draft that was never published is gone.";
    "course.publish_failed", CoursePublishFailed of Course by "course":
        "A publish ended without a new version. Cancelled ones are not announced.";
    "enrollment.requested", EnrollmentRequested of User:
        "Somebody who may write to the log asks for an enrollment.";
    "enrollment.refused", EnrollmentRefused of User by "enrollment":
        "The answer to a request by event that cannot be met. It has the key of the request.";
    "enrollment.created", EnrollmentCreated of Enrollment by "enrollment":
        "A seat was taken, for the first time or again after a drop.";
    "enrollment.dropped", EnrollmentDropped of Enrollment by "enrollment":
        "A student has left a course.";
    "progress.updated", ProgressUpdated of Enrollment by "progress":
        "A lesson was completed.";
    "course.completed", CourseCompleted of Enrollment by "progress":
        "All lessons of the published version are done; once per enrollment and epoch.";
    "certificate.issued", CertificateIssued of Enrollment by "progress":
        "A student has a certificate.";
    "notification.failed", NotificationFailed of User by "notification":
        "A message was given up after its last try.";
    "assistant.answered", AssistantAnswered of Course by "assistant":
        "A question was answered or refused.";
}
