//! Where a learner stands against a version: the lessons of the version, in its order, with the facts about each.
//!
//! This is all there is to progress: nothing is stored that could differ from it.

use smartcourse_platform::{Error, Result};
use smartcourse_proto::{
    Wire as _,
    course::LessonType,
    ids::VersionId,
    json::timestamp::from_time,
    progress::{CourseProgress, LessonProgress, LessonStatus},
};
use sqlx::{PgConnection, types::time::OffsetDateTime};

use crate::{enrollments::Enrollment, percentage};

/// A lesson of the version and what is known of it.
#[derive(Debug)]
struct Lesson {
    lesson_id: String,
    completed_at: Option<OffsetDateTime>,
    /// Best score of its quiz in hundredths of a percent.
    best_score: Option<i32>,
}

/// Facts against one version; version 0 is a course that is not published and has no lessons.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) version: i32,
    lessons: Vec<Lesson>,
}

impl Standing {
    /// Reads it; under the enrollment's lock it stays true until the end of the transaction.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        enrollment: &Enrollment,
        version: i32,
    ) -> Result<Self> {
        let lessons = sqlx::query_as!(
            Lesson,
            "select l.lesson_id, p.completed_at as \"completed_at?\", q.best_score as \"best_score?\"
             from progress.course_lessons l
             left join progress.progress p on p.enrollment_id = $1 and p.lesson_id = l.lesson_id
             left join (select lesson_id, max(score) as best_score from progress.quiz_attempts
                        where enrollment_id = $1 group by lesson_id) q on q.lesson_id = l.lesson_id
             where l.course_id = $2 and l.version = $3 order by l.position",
            enrollment.enrollment_id.0,
            enrollment.course_id.0,
            version
        )
        .fetch_all(connection)
        .await?;
        Ok(Self { version, lessons })
    }

    /// Lessons of the version that are done.
    fn completed(&self) -> i32 {
        let done = self.lessons.iter().filter(|lesson| lesson.completed_at.is_some());
        done.count() as i32
    }

    fn total(&self) -> i32 {
        self.lessons.len() as i32
    }

    /// Whether every lesson is done; a version without lessons has nothing to complete.
    pub(crate) fn is_complete(&self) -> bool {
        !self.lessons.is_empty() && self.completed() == self.total()
    }

    /// What the learner sees.
    pub(crate) fn into_progress(self, enrollment: &Enrollment) -> CourseProgress {
        let (completed, total) = (self.completed(), self.total());
        CourseProgress {
            course_id: enrollment.course_id.0,
            user_id: enrollment.user_id.0,
            enrollment_id: enrollment.enrollment_id.0,
            version: self.version,
            completed_lessons: completed,
            total_lessons: total,
            percent: percentage::percent(percentage::hundredths(completed.into(), total.into())),
            completed_at: enrollment.completed_at.map(from_time),
            lessons: self.lessons.into_iter().map(LessonProgress::from).collect(),
        }
    }
}

impl From<Lesson> for LessonProgress {
    fn from(lesson: Lesson) -> Self {
        let status = match (lesson.completed_at, lesson.best_score) {
            (Some(_), _) => LessonStatus::Completed,
            (None, Some(_)) => LessonStatus::InProgress,
            (None, None) => LessonStatus::NotStarted,
        };
        Self {
            lesson_id: lesson.lesson_id,
            status: status.into(),
            completed_at: lesson.completed_at.map(from_time),
            quiz_score: lesson.best_score.map(percentage::percent),
        }
    }
}

/// The type of a lesson of a version, if the version has it.
pub(crate) async fn lesson_type(
    connection: &mut PgConnection,
    version: VersionId,
    lesson_id: &str,
) -> Result<Option<LessonType>> {
    let word = sqlx::query_scalar!(
        "select type from progress.course_lessons where course_id = $1 and version = $2 and lesson_id = $3",
        version.course_id.0,
        version.version,
        lesson_id
    )
    .fetch_optional(connection)
    .await?;
    word.map(|word| {
        LessonType::from_text(&word)
            .ok_or_else(|| Error::internal(format!("`{word}` is not a type of lesson")))
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(done: &[bool]) -> Standing {
        let lessons = done.iter().enumerate().map(|(index, done)| Lesson {
            lesson_id: format!("l{index}"),
            completed_at: done.then(OffsetDateTime::now_utc),
            best_score: None,
        });
        Standing {
            version: 1,
            lessons: lessons.collect(),
        }
    }

    #[test]
    fn complete_means_every_lesson_and_at_least_one() {
        assert!(standing(&[true, true]).is_complete());
        assert!(!standing(&[true, false]).is_complete());
        assert!(!standing(&[]).is_complete());
    }

    #[test]
    fn a_tried_quiz_is_in_progress_until_it_is_passed() {
        let lesson = |completed: bool, best_score| {
            LessonProgress::from(Lesson {
                lesson_id: "l".to_owned(),
                completed_at: completed.then(OffsetDateTime::now_utc),
                best_score,
            })
        };
        assert_eq!(lesson(false, None).status(), LessonStatus::NotStarted);
        assert_eq!(lesson(false, Some(4_999)).status(), LessonStatus::InProgress);
        let passed = lesson(true, Some(6_667));
        assert_eq!(
            (passed.status(), passed.quiz_score),
            (LessonStatus::Completed, Some(66.67))
        );
    }
}
