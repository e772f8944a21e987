//! The error codes of this service, and those all services share.

pub use smartcourse_platform::error::codes::*;

smartcourse_platform::codes! {
    ALREADY_ENROLLED "already_enrolled" Conflict "The student has a seat in this course." "Nothing to do; `enrollment_id` names it.";
    NOT_A_STUDENT "not_a_student" Conflict "Only students hold seats, and this user is none." "Name a student.";
    COURSE_FULL "course_full" Conflict "All seats are taken." "Wait until somebody leaves.";
    PREREQUISITE_MISSING "prerequisite_missing" Conflict "The course demands others that the student has not completed." "Complete the courses named in `missing`.";
}
