//! Every error code, with its kind, cause and remedy: the source of docs/ERRORS.md.

/// Who has to act, and what the protocols answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

macro_rules! codes {
    ($($name:ident $code:literal $kind:ident $cause:literal $remedy:literal;)*) => {
        $(#[doc = $cause] pub const $name: Code = Code { code: $code, kind: Kind::$kind, cause: $cause, remedy: $remedy };)*
        /// All codes, in the order of docs/ERRORS.md.
        pub const ALL: &[&Code] = &[$(&$name),*];
    };
}

codes! {
    VALIDATION_FAILED "validation_failed" Invalid "Fields of the request are missing, too long or out of range." "Correct the fields listed in `errors`.";
    MALFORMED_REQUEST "malformed_request" Invalid "The body is not the JSON or form the route expects." "Send valid JSON in UTF-8 with the documented types.";
    NOT_FOUND "not_found" NotFound "No such thing, or none you may know of." "Check the id.";
    UNAUTHENTICATED "unauthenticated" Unauthenticated "The access token is missing, expired, revoked or not ours." "Sign in or refresh the token.";
    BAD_CREDENTIALS "bad_credentials" Unauthenticated "E-mail address and password do not match." "Check both; nothing tells which was wrong.";
    REFRESH_REVOKED "refresh_revoked" Unauthenticated "The refresh token is unknown, expired, signed out or was used before; its family is revoked." "Sign in again.";
    FORBIDDEN "forbidden" Forbidden "Your role or ownership does not allow this." "Use the owner's or an administrator's account.";
    NOT_ENROLLED "not_enrolled" Forbidden "Only enrolled students and the owner may read or ask." "Enroll in the course.";
    EMAIL_TAKEN "email_taken" Conflict "An account with this address exists." "Sign in, or use another address.";
    STALE "stale" Stale "The thing changed since the entity tag in `If-Match`." "Read it again and repeat the edit.";
    IDEMPOTENCY_MISMATCH "idempotency_mismatch" Conflict "The Idempotency-Key was used for a different request." "Use a new key for a new request.";
    PREREQUISITE_CYCLE "prerequisite_cycle" Invalid "The prerequisites would require the course itself." "Remove the course that leads back.";
    COURSE_IN_USE "course_in_use" Conflict "The course has been published or is being published." "Archive it instead.";
    COURSE_ARCHIVED "course_archived" Conflict "The course is archived." "Set its status to draft first.";
    NEVER_PUBLISHED "never_published" NotFound "No publish of this course was ever started." "Publish it.";
    ALREADY_PUBLISHED "already_published" Conflict "The flip to the new version came first." "Nothing to cancel; publish again for a change.";
    NOT_PUBLISHED "not_published" Conflict "The course has no published version." "Wait until it is published.";
    ALREADY_ENROLLED "already_enrolled" Conflict "The student has a seat in this course." "Nothing to do; `enrollment_id` names it.";
    NOT_A_STUDENT "not_a_student" Conflict "Only students hold seats, and this user is none." "Name a student.";
    COURSE_FULL "course_full" Conflict "All seats are taken." "Wait until somebody leaves.";
    PREREQUISITE_MISSING "prerequisite_missing" Conflict "The course demands others that the student has not completed." "Complete the courses named in `missing`.";
    ENROLLMENT_COMPLETED "enrollment_completed" Conflict "The course is completed; there is nothing to leave." "Keep it: access stays.";
    NOT_READY "not_ready" NotFound "The enrollment is being set up." "Ask again in a moment.";
    NOT_A_QUIZ "not_a_quiz" Invalid "Only lessons of type quiz take attempts." "Complete the lesson instead.";
    QUIZ_NOT_PASSED "quiz_not_passed" Invalid "A quiz lesson is completed by passing its quiz." "Submit an attempt.";
    ATTEMPTS_EXHAUSTED "attempts_exhausted" Conflict "All attempts the quiz allows are used, and none passed." "Ask the instructor for a version with more attempts.";
    NO_LESSONS "no_lessons" Invalid "The course has no lesson." "Add a lesson, then publish again.";
    NO_USABLE_LESSON "no_usable_lesson" Invalid "Not one lesson has text that can be used." "Mend the lessons named in `warnings`, then publish again.";
    LESSON_INCOMPLETE "lesson_incomplete" Invalid "A lesson lacks the content its type needs." "Complete the lessons named in the message.";
    ASSET_MISSING "asset_missing" Invalid "A lesson names a file that is not there." "Upload the file or correct `asset_id`.";
    PUBLISH_RUNNING "publish_running" Conflict "Another publish of this course is under way." "Wait for it or cancel it.";
    ATTEMPT_CLOSED "attempt_closed" Conflict "This publish attempt has ended." "Publish again.";
    VERSION_DISCARDED "version_discarded" Conflict "The version was discarded by its compensation; late writes are refused." "Publish again.";
    PUBLISH_CANCELLED "publish_cancelled" Conflict "The publish was cancelled." "Publish again when ready.";
    PUBLISH_TIMED_OUT "publish_timed_out" Timeout "The publish did not finish before its deadline; what it had done was undone." "Look at the step in the status, then publish again.";
    WORKFLOW_STUCK "workflow_stuck" Internal "The workflow's own code fails again and again, as after an incompatible deployment." "Look at the workflow in the Temporal UI; deploy code that replays its history.";
    PUBLISH_LOST "publish_lost" Internal "The workflow ended without a record (terminated or lost); what it had done was undone." "Publish again.";
    CONVERSATION_FULL "conversation_full" Conflict "The conversation has as many turns as one may have." "Begin another one.";
    DOCUMENT_TOO_LARGE "document_too_large" TooLarge "The content of a version, or the text of a lesson, is larger than a document may be." "Divide it into smaller parts.";
    STORAGE_REFUSED "storage_refused" Internal "The file store does not let us in." "Correct the permissions or credentials of the file store.";
    FILE_EXISTS "file_exists" Conflict "A file has this key already." "Use another key.";
    FILE_CHANGED "file_changed" Conflict "Another writer changed the file meanwhile." "Read it again and repeat.";
    EMPTY_FILE "empty_file" Invalid "The uploaded file has no bytes." "Upload the real file.";
    FILE_TOO_LARGE "file_too_large" TooLarge "The file is larger than the limit." "Upload a smaller file or raise `content.max_upload_bytes`.";
    BODY_TOO_LARGE "body_too_large" TooLarge "The body is larger than the limit." "Send a smaller body.";
    BODY_TOO_COMPLEX "body_too_complex" TooLarge "The JSON is nested too deeply or has too many values." "Send less at once; docs/API.md has the limits.";
    BODY_TIMEOUT "body_timeout" Timeout "The body did not arrive in time." "Send it faster, or less at once.";
    UNSUPPORTED_TYPE "unsupported_type" UnsupportedMedia "The type of the file is not supported, or its bytes contradict its name." "Upload one of the documented types under its own name.";
    INJECTED "injected" Conflict "A fault test made this activity fail (`SMARTCOURSE_FAIL_AT`)." "Unset the variable.";
    DELIVERY_REFUSED "delivery_refused" Invalid "The mail server, text message provider or push service refused the message for good, or its address is none." "Correct the address or number, then replay the delivery.";
    SUBSCRIPTION_GONE "subscription_gone" Invalid "The push service no longer knows the browser's subscription; it was taken out of the preferences." "Nothing to do: the user subscribes again in the browser.";
    DELIVERY_NOT_FAILED "delivery_not_failed" Conflict "Only a failed delivery can be replayed." "Nothing to do: it was sent, or the user does not want it.";
    REPORT_FAILED "report_failed" Conflict "The report could not be made; the message says why." "Mend the cause, then replay the report's task or ask for a new report.";
    TASK_UNREADABLE "task_unreadable" Invalid "The payload of a background task is not what its handler expects." "Look at the task's `payload`; deploy code that reads it, then replay.";
    TASK_INTERRUPTED "task_interrupted" Internal "Every run of a background task was cut off: the process died, or the handler panicked." "Look at the log of the tasks role, then replay.";
    TOO_MANY_REQUESTS "too_many_requests" TooMany "Over the rate limit." "Wait for `Retry-After` seconds.";
    TOO_MANY_ATTEMPTS "too_many_attempts" TooMany "Too many wrong passwords for this account, or from this address or network." "Wait for `Retry-After` seconds; the right password is not checked before.";
    TOO_MANY_STREAMS "too_many_streams" TooMany "The user follows as many publishes as one may at once." "Close a stream, or raise `gateway.user_streams`.";
    METHOD_NOT_ALLOWED "method_not_allowed" Invalid "The path exists but not with this method." "See /docs.";
    TIMEOUT "timeout" Timeout "The operation did not finish in time." "Try again.";
    UNAVAILABLE "unavailable" Unavailable "A dependency does not answer." "Try again; /readyz names what is down.";
    INTERNAL "internal" Internal "A fault of ours." "Report the trace id.";
}

/// Codes that mark a lesson in `warnings`; they never travel as an error of their own.
pub const WARNINGS: &[(&str, &str)] = &[
    ("empty_file", "The file of the lesson has no bytes."),
    (
        "needs_transcript",
        "A video or audio lesson has no transcript file; upload a WebVTT or SRT file.",
    ),
    ("invalid_utf8", "The file is not valid UTF-8."),
    ("pdf_encrypted", "The PDF asks for a password."),
    ("pdf_damaged", "The PDF is truncated or damaged."),
    ("no_text_layer", "The PDF has pages but no text, such as a scan."),
    ("no_text", "The lesson has no text."),
    ("parser_crashed", "The parser crashed on the file."),
    ("parser_timeout", "The parser ran over its time limit."),
    (
        "parser_limit",
        "The parser ran over its memory or output limit, or the text has too many parts.",
    ),
];
