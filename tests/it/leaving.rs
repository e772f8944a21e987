//! Leaving a course: in the middle of an onboarding, and at the moment of a completion.

use anyhow::{Result, ensure};
use smartcourse_tests::{Layout, Learning, World, wait_for};

use crate::{
    enrollment::{course, end_of, enroll, taken},
    executable,
};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_while_being_set_up_is_not_set_up() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    // The second or the third step finds no service until the student has left.
    for (service, step, records) in [
        ("SMARTCOURSE_GRPC__PROGRESS", 1, 0),
        ("SMARTCOURSE_GRPC__NOTIFICATION", 2, 1),
    ] {
        let student = world.sign_up("student").await?;
        world.restart("worker", &[(service, "127.0.0.1:9")]).await?;
        let enrolled = enroll(&student, course).await?.expect(201)?;
        let path = format!("/enrollments/{}", enrolled["enrollment_id"]);
        wait_for("the step that waits", async || {
            let shown = student.get(&path).await?.expect(200)?;
            let state = &shown["onboarding"]["steps"][step]["state"];
            Ok(if state == "retrying" {
                Ok(())
            } else {
                Err(shown.to_string())
            })
        })
        .await?;
        ensure!(student.delete(&path).await?.status == 204);
        world.restart("worker", &[]).await?;
        let end = end_of(&world, course, student.id).await?;
        ensure!(end.contains("EXECUTION_COMPLETED"), "{end}");
        let seen = Learning::of(&world.pool, &world.mails(), course, student.id, &student.email).await?;
        ensure!(
            seen.records == records && seen.deliveries == 0 && seen.mails == 0,
            "{seen:?}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_course_is_not_left_before_the_news_has_come() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let student = world.sign_up("student").await?;
    let enrolled = enroll(&student, course).await?.expect(201)?;
    let path = format!("/enrollments/{}", enrolled["enrollment_id"]);
    wait_for("the onboarding", async || {
        let shown = student.get(&path).await?.expect(200)?;
        Ok(if shown["onboarding"]["state"] == "completed" {
            Ok(())
        } else {
            Err(shown.to_string())
        })
    })
    .await?;
    // Nobody hears of the completion: events get no position.
    world.kill("relay");
    for lesson in ["l1", "l2"] {
        student.complete_lesson(course, lesson).await?.expect(200)?;
    }
    ensure!(student.get(&path).await?.expect(200)?["status"] == "active");
    let refused = student.delete(&path).await?;
    ensure!(
        refused.status == 409 && refused.code() == "enrollment_completed",
        "{}",
        refused.body
    );
    world.restart("relay", &[]).await?;
    wait_for("the completion", async || {
        let shown = student.get(&path).await?.expect(200)?;
        Ok(if shown["status"] == "completed" {
            Ok(())
        } else {
            Err(shown.to_string())
        })
    })
    .await?;
    ensure!(taken(&instructor, course).await? == 1);
    student
        .get(&format!("/courses/{course}/content"))
        .await?
        .expect(200)?;
    Ok(())
}
