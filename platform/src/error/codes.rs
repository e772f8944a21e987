//! Error codes with their kind, cause and remedy: the source of docs/ERRORS.md. Here are those of the platform, of its ports, and
//! those that several services answer; every service declares its own.

use serde::{Deserialize, Serialize};

/// Who has to act, and what the protocols answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request is wrong and will stay wrong.
    Invalid,
    /// No valid credentials.
    Unauthenticated,
    /// Valid credentials that do not allow this.
    Forbidden,
    /// No such thing, or none this caller may know of.
    NotFound,
    /// The state does not allow it.
    Conflict,
    /// `If-Match` named an older revision.
    Stale,
    /// The body is larger than the limit.
    TooLarge,
    /// The type of the body is not supported.
    UnsupportedMedia,
    /// Over a rate limit.
    TooMany,
    /// A deadline passed.
    Timeout,
    /// A dependency does not answer.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// Whether the same request may succeed later without anybody changing it.
    pub fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::TooMany | Self::Timeout | Self::Unavailable | Self::Internal
        )
    }
}

/// A stable code and what it tells the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The stable word.
    pub code: &'static str,
    /// What the protocols answer.
    pub kind: Kind,
    /// When it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Declares error codes, and `ALL` of them: the constant, the stable word, its [`Kind`], cause and remedy.
#[macro_export]
macro_rules! codes {
    ($($name:ident $code:literal $kind:ident $cause:literal $remedy:literal;)*) => {
        $(#[doc = $cause] pub const $name: $crate::error::Code = $crate::error::Code {
            code: $code, kind: $crate::error::Kind::$kind, cause: $cause, remedy: $remedy,
        };)*
        /// All codes declared here, in the order of docs/ERRORS.md.
        pub const ALL: &[&$crate::error::Code] = &[$(&$name),*];
    };
}

codes! {
    VALIDATION_FAILED "validation_failed" Invalid "Fields of the request are missing, too long or out of range." "Correct the fields listed in `errors`.";
    MALFORMED_REQUEST "malformed_request" Invalid "The body is not the JSON or form the route expects." "Send valid JSON in UTF-8 with the documented types.";
    NOT_FOUND "not_found" NotFound "No such thing, or none you may know of." "Check the id.";
    UNAUTHENTICATED "unauthenticated" Unauthenticated "The access token is missing, expired, revoked or not ours." "Sign in or refresh the token.";
    FORBIDDEN "forbidden" Forbidden "Your role or ownership does not allow this." "Use the owner's or an administrator's account.";
    NOT_ENROLLED "not_enrolled" Forbidden "Only enrolled students and the owner may read or ask." "Enroll in the course.";
    IDEMPOTENCY_MISMATCH "idempotency_mismatch" Conflict "The Idempotency-Key was used for a different request." "Use a new key for a new request.";
    NOT_PUBLISHED "not_published" Conflict "The course has no published version." "Wait until it is published.";
    ENROLLMENT_COMPLETED "enrollment_completed" Conflict "The course is completed; there is nothing to leave." "Keep it: access stays.";
    NOT_READY "not_ready" NotFound "The enrollment is being set up." "Ask again in a moment.";
    VERSION_DISCARDED "version_discarded" Conflict "The version was discarded by its compensation; late writes are refused." "Publish again.";
    DOCUMENT_TOO_LARGE "document_too_large" TooLarge "The content of a version, or the text of a lesson, is larger than a document may be." "Divide it into smaller parts.";
    STORAGE_REFUSED "storage_refused" Internal "The file store does not let us in." "Correct the permissions or credentials of the file store.";
    WORKFLOWS_REFUSED "workflows_refused" Internal "Temporal does not let us in: a certificate, the API key or the namespace is not right." "Correct the setting of `temporal` that the message names, then restart the roles.";
    WORKFLOW_STUCK "workflow_stuck" Internal "The workflow's own code fails again and again, as after an incompatible deployment." "Look at the workflow in the Temporal UI; deploy code that replays its history.";
    FILE_EXISTS "file_exists" Conflict "A file has this key already." "Use another key.";
    FILE_CHANGED "file_changed" Conflict "Another writer changed the file meanwhile." "Read it again and repeat.";
    FILE_TOO_LARGE "file_too_large" TooLarge "The file is larger than the limit." "Upload a smaller file or raise `content.max_upload_bytes`.";
    BODY_TOO_LARGE "body_too_large" TooLarge "The body is larger than the limit." "Send a smaller body.";
    UNSUPPORTED_TYPE "unsupported_type" UnsupportedMedia "The type of the file is not supported, or its bytes contradict its name." "Upload one of the documented types under its own name.";
    INJECTED "injected" Conflict "A fault test made this activity fail (`SMARTCOURSE_FAIL_AT`)." "Unset the variable.";
    DELIVERY_REFUSED "delivery_refused" Invalid "The mail server, text message provider or push service refused the message for good, or its address is none." "Correct the address or number, then replay the delivery.";
    DELIVERY_FAILED "delivery_failed" Unavailable "The mail server, text message provider or push service did not take the message this time." "It is tried again; then an administrator can replay it.";
    SUBSCRIPTION_GONE "subscription_gone" Invalid "The push service no longer knows the browser's subscription; it was taken out of the preferences." "Nothing to do: the user subscribes again in the browser.";
    TRANSCRIPTION_REFUSED "transcription_refused" Invalid "The transcription service refused a recording for good, or does not let us in." "Read what it says in the warning of the lesson; give the lesson a transcript, or correct `[transcription]`.";
    TASK_UNREADABLE "task_unreadable" Invalid "The payload of a background task is not what its handler expects." "Look at the task's `payload`; deploy code that reads it, then replay.";
    TASK_INTERRUPTED "task_interrupted" Internal "Every run of a background task was cut off: the process died, or the handler panicked." "Look at the log of the tasks role, then replay.";
    TOO_MANY_REQUESTS "too_many_requests" TooMany "Over the rate limit." "Wait for `Retry-After` seconds.";
    METHOD_NOT_ALLOWED "method_not_allowed" Invalid "The path exists but not with this method." "See /docs.";
    TIMEOUT "timeout" Timeout "The operation did not finish in time." "Try again.";
    UNAVAILABLE "unavailable" Unavailable "A dependency does not answer." "Try again; /readyz names what is down.";
    INTERNAL "internal" Internal "A fault of ours." "Report the trace id.";
}
