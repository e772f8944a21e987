//! Typed ids: a course id cannot be passed where a user id is meant.

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }
    )*};
}

ids! {
    /// A user, whatever the role.
    UserId,
    /// A course.
    CourseId,
    /// A student's enrollment in a course; its epochs share it.
    EnrollmentId,
}

/// One version of one course; the first version is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct VersionId {
    /// The course.
    pub course_id: CourseId,
    /// Its version.
    pub version: i32,
}

impl VersionId {
    /// This version of this course.
    pub fn new(course_id: impl Into<CourseId>, version: i32) -> Self {
        Self {
            course_id: course_id.into(),
            version,
        }
    }
}

impl std::fmt::Display for VersionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-v{}", self.course_id, self.version)
    }
}

impl From<&crate::common::VersionRef> for VersionId {
    fn from(value: &crate::common::VersionRef) -> Self {
        Self::new(value.course_id, value.version)
    }
}

impl From<crate::common::VersionRef> for VersionId {
    fn from(value: crate::common::VersionRef) -> Self {
        Self::from(&value)
    }
}
