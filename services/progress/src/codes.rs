//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    NOT_A_QUIZ "not_a_quiz" Invalid "Only lessons of type quiz take attempts." "Complete the lesson instead.";
    QUIZ_NOT_PASSED "quiz_not_passed" Invalid "A quiz lesson is completed by passing its quiz." "Submit an attempt.";
    ATTEMPTS_EXHAUSTED "attempts_exhausted" Conflict "All attempts the quiz allows are used, and none passed." "Ask the instructor for a version with more attempts.";
}
