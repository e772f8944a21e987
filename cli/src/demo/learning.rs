//! The second half of the story: students find seats or none, one learns to the end, and the instructor sees the numbers.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use smartcourse_proto::{
    analytics::CourseNumbers,
    course::{Content, Course, LessonType, PublishState, Quiz},
    enrollment::{Enrollment, OnboardingState},
    progress::{AttemptResult, CertificatePage, CourseProgress},
};
use tokio::time::Instant;

use super::{
    client::{Client, Memory, Refusal},
    course::quiz,
};

/// Pause between two polls.
const POLL: Duration = Duration::from_millis(100);
/// A wait that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Tells it; answers the enrollment whose workflow is worth a look.
pub(super) async fn tell(
    instructor: &Client,
    directory: &Path,
    root: &Path,
    course_id: i64,
) -> Result<Enrollment> {
    let workshop = workshop(instructor, root, course_id).await?;
    crate::print("\nLearning\n")?;
    let (sam, kim) = (instructor.student("Sam").await?, instructor.student("Kim").await?);

    refused(&sam, "Sam", workshop, "prerequisite_missing").await?;
    let enrollment = seated(&sam, course_id).await?;
    crate::print(&format!(
        "  Sam enrolls in course {course_id} and is in at once\n"
    ))?;
    let progress = learn(&sam, directory, course_id).await?;
    crate::print(&format!(
        "  Sam completes {} of {} lessons: {:.2} %\n",
        progress.completed_lessons, progress.total_lessons, progress.percent
    ))?;
    let certificates: CertificatePage = sam.get("/certificates").await?;
    let code = &certificates
        .items
        .first()
        .context("no certificate was issued")?
        .code;
    crate::print(&format!(
        "  Sam holds certificate {code}: GET /certificates/{code}, for everybody, as JSON or PDF\n"
    ))?;

    let last = until("the workshop to open for Sam", async || {
        Ok(match sam.enroll(workshop).await? {
            Ok(enrollment) => Some(enrollment),
            // The enrollment service hears of the completion by an event, a moment later.
            Err(refusal) if refusal.code == "prerequisite_missing" => None,
            Err(refusal) => bail!("the workshop refused Sam: {}", refusal.detail),
        })
    })
    .await?;
    ensure!(last.course_id == workshop);
    crate::print(&format!("  Sam takes the last seat of workshop {workshop}\n"))?;
    refused(&kim, "Kim", workshop, "course_full").await?;

    crate::print(&numbers(instructor, course_id).await?)?;
    sam.get(&format!("/enrollments/{}", enrollment.enrollment_id))
        .await
}

/// Reads again until there is something, or it takes too long.
async fn until<T>(what: &str, mut read: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = read().await? {
            return Ok(found);
        }
        ensure!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(POLL).await;
    }
}

/// A small course that builds on the first one and has one seat left; an earlier demo's gets one more.
async fn workshop(instructor: &Client, root: &Path, course_id: i64) -> Result<i64> {
    let mut memory = Memory::load(root).unwrap_or_default();
    if let Some(id) = memory.workshop_id
        && let Ok(course) = instructor.course(id).await
    {
        let seats = course.seats.unwrap_or_default();
        let more = json!({ "max_enrollments": seats.taken + 1 });
        let _course: Course = instructor.patch(&format!("/courses/{id}"), &more).await?;
        return Ok(id);
    }
    let course = instructor
        .create(&json!({
            "title": "Workshop: break it on purpose",
            "description": "One evening, one seat: kill every process of a publish and watch it finish.",
            "max_enrollments": 1,
            "prerequisites": [course_id],
        }))
        .await?;
    let lesson = json!({"title": "What to bring", "type": "text", "content": {"markdown":
        "# What to bring\n\nBring a laptop with a terminal. A process that is killed with SIGKILL has no chance to tidy up, \
         and that is the point of the evening."}});
    instructor
        .put_content(course.id, &json!([{"title": "The evening", "lessons": [lesson]}]))
        .await?;
    instructor.publish(course.id).await?;
    until("the workshop to be published", async || {
        let status = instructor.publish_status(course.id).await?;
        match status.state() {
            PublishState::Completed => Ok(Some(())),
            PublishState::Failed | PublishState::Cancelled => {
                bail!("the workshop was not published: {:?}", status.error)
            }
            _ => Ok(None),
        }
    })
    .await?;
    memory.workshop_id = Some(course.id);
    memory.save(root)?;
    Ok(course.id)
}

/// A refusal that belongs to the story; anything else fails the demo.
async fn refused(student: &Client, name: &str, course_id: i64, code: &str) -> Result<()> {
    match student.enroll(course_id).await? {
        Ok(_) => bail!("{name} was to be refused ({code}) and was enrolled"),
        Err(Refusal { code: other, detail }) => {
            ensure!(
                other == code,
                "{name} was to be refused with {code}, not {other}: {detail}"
            );
            crate::print(&format!(
                "  {name} is refused by workshop {course_id}: {detail} ({code})\n"
            ))?;
            Ok(())
        }
    }
}

/// Takes a seat and waits for the workflow that follows it.
async fn seated(student: &Client, course_id: i64) -> Result<Enrollment> {
    let enrollment = match student.enroll(course_id).await? {
        Ok(enrollment) => enrollment,
        Err(refusal) => bail!("the course refused Sam: {} ({})", refusal.detail, refusal.code),
    };
    let path = format!("/enrollments/{}", enrollment.enrollment_id);
    until("the onboarding", async || {
        let enrollment: Enrollment = student.get(&path).await?;
        let state = enrollment
            .onboarding
            .as_ref()
            .map(|onboarding| onboarding.state());
        Ok((state == Some(OnboardingState::Completed)).then_some(enrollment))
    })
    .await
}

/// Completes every lesson; the quiz with the answers of the sample's own key.
async fn learn(student: &Client, directory: &Path, course_id: i64) -> Result<CourseProgress> {
    let content: Content = student.get(&format!("/courses/{course_id}/content")).await?;
    for lesson in content.modules.iter().flat_map(|module| &module.lessons) {
        let path = format!("/progress/lessons/{}", lesson.id);
        if lesson.r#type() == LessonType::Quiz {
            let body = json!({"course_id": course_id, "answers": answers(&quiz(directory)?)});
            let result: AttemptResult = student.post(&format!("{path}/attempts"), &body).await?;
            ensure!(result.passed, "the quiz was not passed: {:.2} %", result.score);
        } else {
            let body = json!({ "course_id": course_id });
            let _progress: CourseProgress = student.post(&format!("{path}/complete"), &body).await?;
        }
    }
    let progress: CourseProgress = student.get(&format!("/progress/courses/{course_id}")).await?;
    ensure!(
        progress.completed_at.is_some() && progress.completed_lessons == progress.total_lessons,
        "the course is not completed: {progress:?}"
    );
    Ok(progress)
}

fn answers(quiz: &Quiz) -> Value {
    let answers = quiz.questions.iter().map(|question| {
        // Of a short text any one of the accepted answers, of a choice all that are right.
        let values = if question.options.is_empty() {
            question.correct.iter().take(1).collect()
        } else {
            question.correct.iter().collect::<Vec<_>>()
        };
        (question.id.clone(), json!(values))
    });
    Value::Object(answers.collect())
}

/// The instructor's view, once analytics has heard of the completion.
async fn numbers(instructor: &Client, course_id: i64) -> Result<String> {
    let path = format!("/analytics/courses/{course_id}");
    let numbers = until("the numbers", async || {
        let numbers: CourseNumbers = instructor.get(&path).await?;
        let enrollments = numbers.enrollments.as_ref();
        let counted = enrollments.is_some_and(|all| all.completed > 0 && all.active == 0);
        Ok(counted.then_some(numbers))
    })
    .await?;
    let enrollments = numbers.enrollments.unwrap_or_default();
    let assistant = numbers.assistant.unwrap_or_default();
    let mean = enrollments.mean_seconds_to_complete;
    let mean = mean.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds} s"));
    Ok(format!(
        "\nNumbers of course {course_id}\n\
         \x20 {:<28} {}\n  {:<28} {}\n  {:<28} {:.2} %\n  {:<28} {mean}\n  {:<28} {}\n  {:<28} {} asked, {} answered, {} refused\n",
        "enrollments",
        enrollments.total,
        "completed",
        enrollments.completed,
        "completion rate",
        enrollments.completion_rate * 100.0,
        "mean time to complete",
        "lessons completed",
        numbers.lessons_completed,
        "assistant",
        assistant.asked,
        assistant.answered,
        assistant.refused
    ))
}
