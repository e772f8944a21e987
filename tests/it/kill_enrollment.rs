//! The kill matrix of learning: a role dies by SIGKILL at a named point between the seat and the certificate, comes
//! back, and in the end there is one of everything.
//!
//! `SMARTCOURSE_KILL_REPEATS=3` repeats each point, `SMARTCOURSE_KILL_ENROLLMENT_TABLE=docs/KILL-MATRIX-LEARNING.md`
//! writes the table.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Learning, PATIENCE, Session, World};
use smartcourse_workflows::activities::ONBOARDING;
use tokio::time::{Instant, timeout};

use crate::{
    LESSONS, executable,
    kill::{COMMIT, Matrix, commits, effects, repeats},
};

/// The gateway answers before this, whoever is dead.
const ANSWERED: Duration = Duration::from_secs(60);

/// What the student does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// Enrolls, completes both lessons, holds a certificate.
    Completed,
    /// Enrolls and leaves.
    Dropped,
}

/// Every point, with the role that owns it and the story it lies in.
fn points() -> Vec<(&'static str, String, Story)> {
    let mut points = Vec::new();
    let mut add = |role, scope: &str, moments: [&str; 2], story| {
        for moment in moments {
            points.push((role, format!("{scope}.{moment}"), story));
        }
    };
    for operation in [
        "enrollment.enroll",
        "progress.complete_lesson",
        "consumer.enrollment.completions",
        "consumer.notification.feed",
        "consumer.analytics.counter",
    ] {
        add("serve", operation, COMMIT, Story::Completed);
    }
    add("serve", "progress.leave", COMMIT, Story::Dropped);
    add("serve", "enrollment.drop", COMMIT, Story::Dropped);
    let send = ["before_send", "after_send"];
    add("relay", "relay.start", send, Story::Completed);
    add("relay", "relay", COMMIT, Story::Completed);
    let effect = ["before_effect", "after_effect"];
    add("tasks", "tasks.notification.email", effect, Story::Completed);
    add("tasks", "tasks", COMMIT, Story::Completed);
    for activity in ONBOARDING.activities.iter().chain(ONBOARDING.apart) {
        points.extend(effects(activity.name).map(|point| ("worker", point, Story::Completed)));
        points.extend(
            commits(activity)
                .into_iter()
                .map(|point| ("serve", point, Story::Completed)),
        );
    }
    points.push(("relay", "relay.place.before_commit".to_owned(), Story::Completed));
    points
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_may_die_between_seat_and_certificate() -> Result<()> {
    let repeats = repeats();
    let mut world = World::start_with(executable(), Layout::Together, &[crate::LONG_TOKENS]).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    let head = format!(
        "# Kill matrix of learning\n\nEach role is killed with SIGKILL at each point between a seat and a certificate, started \
         again, and every store is looked into; at the end the numbers are counted again from the log. Written by\n\n```\n\
         SMARTCOURSE_KILL_REPEATS={repeats} SMARTCOURSE_KILL_ENROLLMENT_TABLE=docs/KILL-MATRIX-LEARNING.md \\\n    \
         cargo test -p smartcourse-cli --test it kill_enrollment -- --nocapture\n```\n\n\
         | role | point | afterwards |\n|---|---|---|\n"
    );
    let mut matrix = Matrix::new(head, &["serve", "relay", "worker", "tasks"]);
    for (role, point, story) in points() {
        for _ in 0..repeats {
            let seen = kill(&mut world, course, role, &point, story).await;
            let cells = [role, &format!("`{point}`")];
            matrix
                .add(&mut world, &cells, role, seen.map(str::to_owned))
                .await?;
        }
    }
    let (agrees, told) = world.run(&["analytics", "rebuild"])?;
    if !agrees {
        matrix.fail(told);
    }
    matrix.finish("SMARTCOURSE_KILL_ENROLLMENT_TABLE")
}

/// One point: arm, let the student learn, bring the role back when it is dead, look into every store.
async fn kill(
    world: &mut World,
    course: i64,
    role: &'static str,
    point: &str,
    story: Story,
) -> Result<&'static str> {
    let student = world.sign_up("student").await?;
    world.restart(role, &[("SMARTCOURSE_KILL_AT", point)]).await?;
    world.ready().await?;
    let expected = match story {
        Story::Completed => Learning::completed_once(2),
        Story::Dropped => Learning::enrolled_once(),
    };
    let deadline = Instant::now() + PATIENCE;
    let mut died = false;
    loop {
        if !world.is_running(role) {
            ensure!(!died, "the role died twice");
            died = true;
            world.restart(role, &[]).await?;
            world.ready().await?;
        }
        // An answer may be lost with the role that dies: what was done is asked for, not remembered.
        let next = timeout(ANSWERED, step(&student, course, story))
            .await
            .context("a request is not answered")?;
        let seen = Learning::of(&world.pool, &world.mails(), course, student.id, &student.email).await?;
        if died && matches!(next, Ok(true)) && seen == expected {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "died: {died}, last step: {next:?}, stores: {seen:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(match story {
        Story::Completed => {
            "one enrollment, record, welcome mail, feed entry, completion, certificate and count of each"
        }
        Story::Dropped => "left once, with one welcome mail and one count",
    })
}

/// Does the next thing the student has not done; `true` when all is done.
async fn step(student: &Session, course: i64, story: Story) -> Result<bool> {
    let enrollments = student.get("/enrollments").await?.expect(200)?;
    let Some(enrollment) = enrollments["items"].get(0) else {
        student
            .post(&format!("/courses/{course}/enroll"), &Value::Null)
            .await?
            .expect(201)?;
        return Ok(false);
    };
    if story == Story::Dropped {
        if enrollment["status"] == "dropped" {
            return Ok(true);
        }
        // The welcome comes first, so that there is one to count.
        if enrollment["onboarding"]["state"] == "completed" {
            student
                .delete(&format!("/enrollments/{}", enrollment["enrollment_id"]))
                .await?
                .expect(204)?;
        }
        return Ok(false);
    }
    let progress = student
        .get(&format!("/progress/courses/{course}"))
        .await?
        .expect(200)?;
    let open = progress["lessons"]
        .as_array()
        .context("lessons")?
        .iter()
        .find(|lesson| lesson["status"] != "completed");
    let Some(lesson) = open else {
        return Ok(enrollment["status"] == "completed" && enrollment["onboarding"]["state"] == "completed");
    };
    let path = format!(
        "/progress/lessons/{}/complete",
        lesson["lesson_id"].as_str().unwrap_or_default()
    );
    student
        .post(&path, &json!({ "course_id": course }))
        .await?
        .expect(200)?;
    Ok(false)
}
