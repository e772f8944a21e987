//! Names and types of the activities. The implementations live in the activities crate; a mismatch does not compile.
//!
//! Payloads carry ids and small facts; content, chunks and vectors never pass through one. Types may grow by optional
//! fields only: a history written by an older version must still be readable.

use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

pub use self::{
    content_activities::*, course_activities::*, enrollment_activities::*, progress_activities::*,
};

/// Which version an activity works on, and the attempt and step it reports its progress to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRef {
    /// Absent when content is processed on its own: nothing is reported then.
    #[serde(default)]
    pub attempt_id: Option<String>,
    /// The course.
    pub course_id: i64,
    /// The version.
    pub version: i32,
    /// 1 to 7; 0 for compensations, which report nothing.
    pub step: u8,
    /// Lessons of this step already done when the activity was scheduled.
    #[serde(default)]
    pub done: u32,
    /// Lessons of this step in all; 0 when the step has no parts.
    #[serde(default)]
    pub total: u32,
}

impl StepRef {
    /// The same attempt and version at another step.
    #[must_use]
    pub fn at(&self, step: u8) -> Self {
        Self {
            step,
            done: 0,
            total: 0,
            ..self.clone()
        }
    }
}

/// Input of [`CourseActivities::begin_attempt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginInput {
    /// The course.
    pub course_id: i64,
    /// The accepted attempt; absent when the workflow was started without the service.
    #[serde(default)]
    pub attempt_id: Option<String>,
    /// Id of the workflow.
    pub workflow_id: String,
    /// Id of this run.
    pub run_id: String,
}

/// What the course service knows of the attempt that begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptFacts {
    /// The attempt.
    pub attempt_id: String,
    /// Its version.
    pub version: i32,
    /// Owner of the course.
    pub instructor_id: i64,
    /// Seat limit of the course, for its first publish.
    #[serde(default)]
    pub max_enrollments: Option<i32>,
    /// This attempt is already published: the run changes nothing.
    #[serde(default)]
    pub already_published: bool,
}

/// The lessons that still need work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonPlan {
    /// In the order of the course.
    pub lessons: Vec<PlannedLesson>,
}

/// A lesson by its id, with its title for the Temporal UI.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedLesson {
    /// Id of the lesson.
    pub lesson_id: String,
    /// Its title.
    pub title: String,
}

/// One lesson of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonInput {
    /// Version and step.
    pub step: StepRef,
    /// Id of the lesson.
    pub lesson_id: String,
}

/// A lesson the publish goes on without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LessonWarning {
    /// The lesson.
    pub lesson_id: String,
    /// A code of docs/ERRORS.md.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Whether all lessons can be asked about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// True without warnings.
    pub ai_ready: bool,
    /// The lessons that were left out.
    pub warnings: Vec<LessonWarning>,
}

/// Input of [`CourseActivities::mark_published`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishFacts {
    /// Version and step.
    pub step: StepRef,
    /// What content processing found.
    pub readiness: Readiness,
}

/// Answer of [`CourseActivities::abort_version`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortOutcome {
    /// The flip came first: nothing may be undone.
    pub already_published: bool,
}

/// Input of [`CourseActivities::finish_attempt`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishInput {
    /// The attempt.
    pub attempt_id: String,
    /// True: the attempt ends cancelled; false: failed.
    pub cancelled: bool,
    /// A code of docs/ERRORS.md.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Input of [`EnrollmentActivities::prepare_enrollment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareInput {
    /// Version and step.
    pub step: StepRef,
    /// Seat limit of a course that is prepared for the first time.
    #[serde(default)]
    pub max_enrollments: Option<i32>,
}

/// What the course service does for a publish.
pub struct CourseActivities;

#[activity_definitions]
impl CourseActivities {
    /// Moves the attempt from accepted to running for this run, or creates it for a raw start.
    #[activity(name = "course.begin_attempt")]
    pub fn begin_attempt(_: BeginInput) -> Result<AttemptFacts, ActivityError> {
        unimplemented!()
    }
    /// Checks the pinned revision.
    #[activity(name = "course.validate_course")]
    pub fn validate_course(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Writes the immutable content of the version.
    #[activity(name = "course.save_content")]
    pub fn save_content(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Flips the pointer to the version and announces it, in one transaction.
    #[activity(name = "course.mark_published")]
    pub fn mark_published(_: PublishFacts) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Decides against the version, unless the flip came first.
    #[activity(name = "course.abort_version")]
    pub fn abort_version(_: StepRef) -> Result<AbortOutcome, ActivityError> {
        unimplemented!()
    }
    /// Removes what `save_content` wrote.
    #[activity(name = "course.delete_version")]
    pub fn delete_version(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Records how the attempt ended, after everything was undone.
    #[activity(name = "course.finish_attempt")]
    pub fn finish_attempt(_: FinishInput) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// What the content service does for a version.
pub struct ContentActivities;

#[activity_definitions]
impl ContentActivities {
    /// Checks that every file the lessons name is there.
    #[activity(name = "content.check_assets")]
    pub fn check_assets(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Copies staged files to the version's prefix, with checksums.
    #[activity(name = "content.upload_assets")]
    pub fn upload_assets(_: StepRef) -> Result<u32, ActivityError> {
        unimplemented!()
    }
    /// Takes over the chunks of unchanged lessons and lists the others.
    #[activity(name = "content.plan_extraction")]
    pub fn plan_extraction(_: StepRef) -> Result<LessonPlan, ActivityError> {
        unimplemented!()
    }
    /// Extracts and chunks one lesson.
    #[activity(name = "content.extract_lesson")]
    pub fn extract_lesson(_: LessonInput) -> Result<Option<LessonWarning>, ActivityError> {
        unimplemented!()
    }
    /// Writes the vectors whose embeddings are known and lists the lessons that need the model.
    #[activity(name = "content.plan_embedding")]
    pub fn plan_embedding(_: StepRef) -> Result<LessonPlan, ActivityError> {
        unimplemented!()
    }
    /// Embeds the chunks of one lesson.
    #[activity(name = "content.embed_lesson")]
    pub fn embed_lesson(_: LessonInput) -> Result<u32, ActivityError> {
        unimplemented!()
    }
    /// Counts chunks against vectors and says whether all is there.
    #[activity(name = "content.mark_ai_ready")]
    pub fn mark_ai_ready(_: StepRef) -> Result<Readiness, ActivityError> {
        unimplemented!()
    }
    /// Writes the version's search entries.
    #[activity(name = "content.index_course")]
    pub fn index_course(_: StepRef) -> Result<u32, ActivityError> {
        unimplemented!()
    }
    /// Removes the version's files.
    #[activity(name = "content.discard_files")]
    pub fn discard_files(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Removes the version's chunks.
    #[activity(name = "content.discard_chunks")]
    pub fn discard_chunks(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Removes the version's vectors.
    #[activity(name = "content.discard_vectors")]
    pub fn discard_vectors(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Removes the version's search entries.
    #[activity(name = "content.discard_index")]
    pub fn discard_index(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// What the enrollment service does for a version.
pub struct EnrollmentActivities;

#[activity_definitions]
impl EnrollmentActivities {
    /// Makes the rows enrollment needs for the version.
    #[activity(name = "enrollment.prepare_course")]
    pub fn prepare_enrollment(_: PrepareInput) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Removes them.
    #[activity(name = "enrollment.discard_course")]
    pub fn discard_enrollment(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
}

/// What the progress service does for a version.
pub struct ProgressActivities;

#[activity_definitions]
impl ProgressActivities {
    /// Makes the rows progress is counted against.
    #[activity(name = "progress.prepare_course")]
    pub fn prepare_progress(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
    /// Removes them.
    #[activity(name = "progress.discard_course")]
    pub fn discard_progress(_: StepRef) -> Result<(), ActivityError> {
        unimplemented!()
    }
}
