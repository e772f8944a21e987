//! Keys of events.

/// What the key of an event is: events of one key are read in the order in which they happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `course-` and the id of the course.
    Course,
    /// `user-` and the id of the user.
    User,
    /// `enrollment-` and the id of the enrollment.
    Enrollment,
}

impl Key {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Course, Self::User, Self::Enrollment];

    /// The key in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Course => "course-{course_id}",
            Self::User => "user-{user_id}",
            Self::Enrollment => "enrollment-{enrollment_id}",
        }
    }

    /// What the aggregate is.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Course => "course",
            Self::User => "user",
            Self::Enrollment => "enrollment",
        }
    }

    /// The key of the aggregate with this id. It names the kind: a user and a course of the same number do not wait for
    /// each other.
    pub fn of(self, id: i64) -> String {
        format!("{}-{id}", self.kind())
    }
}
