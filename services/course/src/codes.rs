//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    STALE "stale" Stale "The thing changed since the entity tag in `If-Match`." "Read it again and repeat the edit.";
    PREREQUISITE_CYCLE "prerequisite_cycle" Invalid "The prerequisites would require the course itself." "Remove the course that leads back.";
    COURSE_IN_USE "course_in_use" Conflict "The course has been published or is being published." "Archive it instead.";
    COURSE_REQUIRED "course_required" Conflict "Other courses build on this one." "Take it out of the prerequisites of the courses named in `courses`.";
    COURSE_ARCHIVED "course_archived" Conflict "The course is archived." "Set its status to draft first.";
    NEVER_PUBLISHED "never_published" NotFound "No publish of this course was ever started." "Publish it.";
    ALREADY_PUBLISHED "already_published" Conflict "The flip to the new version came first." "Nothing to cancel; publish again for a change.";
    CONTENT_TOO_LARGE "content_too_large" TooLarge "The content of the course is larger than a request could put back." "Shorten it, or make two courses of it.";
    NO_LESSONS "no_lessons" Invalid "The course has no lesson." "Add a lesson, then publish again.";
    LESSON_INCOMPLETE "lesson_incomplete" Invalid "A lesson lacks the content its type needs." "Complete the lessons named in the message.";
    PUBLISH_RUNNING "publish_running" Conflict "Another publish of this course is under way." "Wait for it or cancel it.";
    ATTEMPT_CLOSED "attempt_closed" Conflict "This publish attempt has ended." "Publish again.";
    PUBLISH_CANCELLED "publish_cancelled" Conflict "The publish was cancelled." "Publish again when ready.";
    PUBLISH_TIMED_OUT "publish_timed_out" Timeout "The publish did not finish before its deadline; what it had done was undone." "Look at the step in the status, then publish again.";
    PUBLISH_LOST "publish_lost" Internal "The workflow ended without a record (terminated or lost); what it had done was undone." "Publish again.";
}
