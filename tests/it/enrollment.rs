//! Seats: taken once, never oversold, by whichever way in; and what follows them, exactly once.

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use smartcourse_tests::{Hold, Layout, Learning, Session, World, text_lessons, wait_for};

use crate::{LESSONS, NO_PROGRESS, executable};

/// A published course with so many seats.
pub(crate) async fn course(instructor: &Session, seats: Option<i32>, prerequisites: &[i64]) -> Result<i64> {
    let course = instructor
        .post(
            "/courses",
            &json!({"title": "Sagas", "description": "For a test.", "max_enrollments": seats, "prerequisites": prerequisites}),
        )
        .await?
        .expect(201)?["id"]
        .as_i64()
        .context("a course has an id")?;
    let lessons = text_lessons(&LESSONS);
    instructor.put_lessons(course, &lessons).await?.expect(200)?;
    let status = instructor.publish(course).await?;
    ensure!(status["state"] == "completed", "{status}");
    Ok(course)
}

pub(crate) async fn enroll(student: &Session, course: i64) -> Result<smartcourse_tests::Reply> {
    student
        .post(&format!("/courses/{course}/enroll"), &Value::Null)
        .await
}

/// Waits until the stores hold exactly this of a student.
pub(crate) async fn holds(world: &World, course: i64, student: &Session, expected: &Learning) -> Result<()> {
    wait_for("one of everything", async || {
        let seen = Learning::of(&world.pool, &world.mails(), course, student.id, &student.email).await?;
        Ok(if seen == *expected {
            Ok(())
        } else {
            Err(format!("{seen:?}"))
        })
    })
    .await
}

pub(crate) async fn taken(student: &Session, course: i64) -> Result<i64> {
    let course = student.get(&format!("/courses/{course}")).await?.expect(200)?;
    course["seats"]["taken"].as_i64().context("seats")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_student_who_asks_a_hundred_times_has_one_seat() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, Some(5), &[]).await?;
    let student = world.sign_up("student").await?;
    let replies: Vec<_> = stream::iter((0..100).map(|_| enroll(&student, course)))
        .buffer_unordered(100)
        .collect()
        .await;
    let mut enrolled = 0;
    for reply in replies {
        let reply = reply?;
        match reply.status {
            201 => enrolled += 1,
            _ => ensure!(
                reply.code() == "already_enrolled" && reply.body["enrollment_id"].is_i64(),
                "{}",
                reply.body
            ),
        }
    }
    ensure!(enrolled == 1, "enrolled {enrolled} times");
    ensure!(taken(&instructor, course).await? == 1);
    holds(&world, course, &student, &Learning::enrolled_once()).await
}

/// How a workflow ended, once it has.
pub(crate) async fn end_of(world: &World, course: i64, user: i64) -> Result<String> {
    wait_for("the workflow's end", async || {
        let shown = world.temporal_cli(&[
            "workflow",
            "show",
            "-w",
            &format!("enroll-{course}-{user}"),
            "-o",
            "json",
        ])?;
        let ended = ["EXECUTION_COMPLETED", "EXECUTION_FAILED"]
            .iter()
            .any(|end| shown.contains(end));
        Ok(if ended { Ok(shown) } else { Err("open".to_owned()) })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_sent_again_gets_the_same_enrollment() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let (first, second) = (
        course(&instructor, Some(2), &[]).await?,
        course(&instructor, None, &[]).await?,
    );
    let (student, other) = (world.sign_up("student").await?, world.sign_up("student").await?);
    let keyed = async |who: &Session, course: i64| {
        let request = who.request(reqwest::Method::POST, &format!("/courses/{course}/enroll"));
        who.send(request.header("idempotency-key", "k")).await
    };
    let replies = stream::iter((0..10).map(|_| keyed(&student, first)))
        .buffer_unordered(10)
        .collect::<Vec<_>>()
        .await;
    let mut ids = Vec::new();
    for reply in replies {
        ids.push(reply?.expect(201)?["enrollment_id"].clone());
    }
    ensure!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    ensure!(taken(&instructor, first).await? == 1);
    ensure!(enroll(&student, first).await?.code() == "already_enrolled");
    ensure!(keyed(&student, second).await?.code() == "idempotency_mismatch");
    keyed(&other, first).await?.expect(201)?;
    ensure!(taken(&instructor, first).await? == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn prerequisites_are_completed_courses() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let first = course(&instructor, None, &[]).await?;
    let second = course(&instructor, None, &[first]).await?;
    let student = world.sign_up("student").await?;
    let refused = enroll(&student, second).await?;
    ensure!(
        refused.code() == "prerequisite_missing" && refused.body["missing"] == json!([first]),
        "{}",
        refused.body
    );
    let cycle = json!({ "prerequisites": [second] });
    let request = instructor.request(reqwest::Method::PATCH, &format!("/courses/{first}"));
    let reply = instructor.send(request.json(&cycle)).await?;
    ensure!(
        reply.status == 422 && reply.code() == "prerequisite_cycle",
        "{}",
        reply.body
    );

    enroll(&student, first).await?.expect(201)?;
    wait_for("progress", async || {
        let reply = student.get(&format!("/progress/courses/{first}")).await?;
        Ok(if reply.status == 200 {
            Ok(())
        } else {
            Err(reply.body.to_string())
        })
    })
    .await?;
    for lesson in ["l1", "l2"] {
        student.complete_lesson(first, lesson).await?.expect(200)?;
    }
    // The enrollment service hears of the completion by an event.
    wait_for("the second course to open", async || {
        let reply = enroll(&student, second).await?;
        Ok(if reply.status == 201 {
            Ok(())
        } else {
            Err(reply.body.to_string())
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_frees_the_seat_and_a_return_is_welcomed_again() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, Some(1), &[]).await?;
    let (student, other) = (world.sign_up("student").await?, world.sign_up("student").await?);
    let enrollment = enroll(&student, course).await?.expect(201)?;
    let path = format!("/enrollments/{}", enrollment["enrollment_id"]);
    ensure!(enroll(&other, course).await?.code() == "course_full");
    ensure!(
        other.delete(&path).await?.status == 404,
        "somebody else's enrollment"
    );
    holds(&world, course, &student, &Learning::enrolled_once()).await?;

    ensure!(student.delete(&path).await?.status == 204);
    ensure!(student.delete(&path).await?.status == 204, "twice is once");
    ensure!(taken(&instructor, course).await? == 0);
    ensure!(
        student.get(&format!("/courses/{course}/content")).await?.status == 403,
        "a dropped student reads on"
    );
    enroll(&other, course).await?.expect(201)?;
    ensure!(enroll(&student, course).await?.code() == "course_full");
    let others = other.get("/enrollments").await?.expect(200)?;
    let others = format!("/enrollments/{}", others["items"][0]["enrollment_id"]);
    ensure!(other.delete(&others).await?.status == 204);

    let again = enroll(&student, course).await?.expect(201)?;
    ensure!(
        again["enrollment_id"] == enrollment["enrollment_id"] && again["epoch"] == 2,
        "{again}"
    );
    let twice = Learning {
        epoch: 2,
        deliveries: 2,
        mails: 2,
        feed: 2,
        created_events: 2,
        counted: 2,
        ..Learning::enrolled_once()
    };
    holds(&world, course, &student, &twice).await
}

/// A student and a course in a world where, of all steps of an onboarding, only the second finds no service.
async fn without_progress() -> Result<(World, i64, Session)> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let student = world.sign_up("student").await?;
    world.restart("worker", &NO_PROGRESS).await?;
    Ok((world, course, student))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_onboarding_says_why_it_waits_and_goes_on() -> Result<()> {
    let (mut world, course, student) = without_progress().await?;
    let id = enroll(&student, course).await?.expect(201)?["enrollment_id"].clone();
    let path = format!("/enrollments/{id}");
    wait_for("the cause", async || {
        let shown = student.get(&path).await?.expect(200)?;
        let step = &shown["onboarding"]["steps"][1];
        Ok(
            if step["state"] == "retrying" && step["error"]["code"] == "unavailable" {
                Ok(())
            } else {
                Err(shown.to_string())
            },
        )
    })
    .await?;
    // Somebody ends the run: the seat stays, and the reconciler starts another.
    world.temporal_cli(&[
        "workflow",
        "terminate",
        "-w",
        &format!("enroll-{course}-{}", student.id),
        "--reason",
        "test",
    ])?;
    world.restart("worker", &[]).await?;
    holds(&world, course, &student, &Learning::enrolled_once()).await?;
    ensure!(student.get(&path).await?.expect(200)?["onboarding"]["state"] == "completed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_recovered_is_not_shown_as_retrying() -> Result<()> {
    let (mut world, course, student) = without_progress().await?;
    let enrolled = enroll(&student, course).await?.expect(201)?;
    let path = format!("/enrollments/{}", enrolled["enrollment_id"]);
    let shows = async |onboarding: &str, step: &str| {
        wait_for(&format!("{onboarding}, {step}"), async || {
            let shown = student.get(&path).await?.expect(200)?["onboarding"].clone();
            Ok(
                if shown["state"] == onboarding && shown["steps"][1]["state"] == step {
                    Ok(())
                } else {
                    Err(shown.to_string())
                },
            )
        })
        .await
    };
    shows("retrying", "retrying").await?;
    // The server keeps the tries by now: the worker has given up its own.
    wait_for("a fourth try", async || {
        let shown = student.get(&path).await?.expect(200)?["onboarding"]["steps"][1].clone();
        Ok(match shown["attempts"].as_i64() {
            Some(4..) => Ok(()),
            _ => Err(shown.to_string()),
        })
    })
    .await?;
    // The step works now, and the next one stands still.
    let point = "worker.notification.queue_welcome_mail.before_effect";
    let hold = Hold::at(point, &world.files().with_extension("held"));
    world.restart("worker", &hold.variables()?).await?;
    hold.reached().await?;
    shows("running", "completed").await?;
    hold.release()?;
    shows("completed", "completed").await
}
