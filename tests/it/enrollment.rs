//! Seats: taken once, never oversold, through whichever door; and what follows them, exactly once.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use smartcourse_platform::{
    config::Config,
    grpc::{Actor, Transport},
    outbox,
};
use smartcourse_proto::{
    enrollment::{EnrollRequest, enrollment_service_client::EnrollmentServiceClient},
    events::EnrollmentRequested,
};
use smartcourse_tests::{Layout, Learning, Session, World, wait_for};

use crate::{LESSONS, executable};

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
    let lessons: Vec<Value> = (1..)
        .zip(LESSONS)
        .map(|(n, (title, text))| {
            json!({"id": format!("l{n}"), "title": title, "type": "text", "content": {"markdown": text}})
        })
        .collect();
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
async fn holds(world: &World, course: i64, student: &Session, expected: &Learning) -> Result<()> {
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
async fn one_student_at_a_hundred_doors_sits_once() -> Result<()> {
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

#[tokio::test(flavor = "multi_thread")]
async fn four_doors_lead_to_one_enrollment() -> Result<()> {
    let world = Arc::new(World::start(executable(), Layout::Together).await?);
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let student = world.sign_up("student").await?;
    let config = Config::load_with(None, &world.settings())?;
    let service = EnrollmentServiceClient::new(Transport::remote(&config.grpc, &config.grpc.enrollment)?);

    let http = stream::iter((0..20).map(|_| enroll(&student, course)))
        .buffer_unordered(20)
        .for_each(|reply| async move {
            drop(reply.expect("an answer"));
        });
    let grpc = stream::iter((0..20).map(|_| {
        let mut service = service.clone();
        let request = Actor::Service.request(EnrollRequest {
            course_id: course,
            user_id: student.id,
        });
        async move { service.enroll(request).await }
    }))
    .buffer_unordered(20)
    .for_each(|answer| async move {
        drop(answer);
    });
    let events = async {
        for _ in 0..20 {
            let mut tx = world.pool.begin().await?;
            let request = EnrollmentRequested {
                course_id: course,
                user_id: student.id,
            };
            outbox::put_event(
                &mut tx,
                "enrollment.requested",
                &format!("user-{}", student.id),
                &request,
            )
            .await?;
            tx.commit().await?;
        }
        anyhow::Ok(())
    };
    let raw = {
        let (world, user) = (Arc::clone(&world), student.id);
        tokio::task::spawn_blocking(move || {
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    // Most find the id taken: that is an answer, too.
                    scope.spawn(|| start_raw(&world, course, user).ok());
                }
            });
        })
    };
    let ((), (), events, raw) = tokio::join!(http, grpc, events, raw);
    events?;
    raw?;
    wait_for("all requests by event to be answered", async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from platform.events e where type = 'enrollment.requested' and not exists (
                 select from platform.inbox i where i.group_name = 'enrollment.commands' and i.event_id = e.id)",
        )
        .fetch_one(&world.pool)
        .await?;
        Ok(if waiting == 0 {
            Ok(())
        } else {
            Err(waiting.to_string())
        })
    })
    .await?;
    holds(&world, course, &student, &Learning::enrolled_once()).await?;
    ensure!(taken(&instructor, course).await? == 1);
    Ok(())
}

/// Starts the workflow as any other service would.
fn start_raw(world: &World, course: i64, user: i64) -> Result<String> {
    world.temporal_cli(&[
        "workflow",
        "start",
        "--type",
        "Enrollment",
        "--task-queue",
        "smartcourse",
        "-w",
        &format!("enroll-{course}-{user}"),
        "-i",
        &format!("{{\"course_id\":{course},\"user_id\":{user}}}"),
    ])
}

/// How a workflow ended, once it has.
async fn end_of(world: &World, course: i64, user: i64) -> Result<String> {
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
async fn a_raw_start_follows_the_same_rules() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let first = course(&instructor, None, &[]).await?;
    let second = course(&instructor, Some(1), &[first]).await?;
    let draft = instructor.course(&LESSONS).await?;
    let student = world.sign_up("student").await?;

    start_raw(&world, draft, student.id)?;
    ensure!(end_of(&world, draft, student.id).await?.contains("not_published"));
    start_raw(&world, second, student.id)?;
    ensure!(
        end_of(&world, second, student.id)
            .await?
            .contains("prerequisite_missing")
    );
    start_raw(&world, first, 987_654)?;
    ensure!(end_of(&world, first, 987_654).await?.contains("not_found"));

    start_raw(&world, first, student.id)?;
    ensure!(
        end_of(&world, first, student.id)
            .await?
            .contains("EXECUTION_COMPLETED")
    );
    holds(&world, first, &student, &Learning::enrolled_once()).await?;
    // Again, when all is done: refused, and nothing is doubled.
    start_raw(&world, first, student.id)?;
    ensure!(
        end_of(&world, first, student.id)
            .await?
            .contains("already_enrolled")
    );
    holds(&world, first, &student, &Learning::enrolled_once()).await
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
        student
            .post(
                &format!("/progress/lessons/{lesson}/complete"),
                &json!({ "course_id": first }),
            )
            .await?
            .expect(200)?;
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

#[tokio::test(flavor = "multi_thread")]
async fn an_onboarding_says_why_it_waits_and_goes_on() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let student = world.sign_up("student").await?;
    // Of all steps, only the second finds no service.
    let nowhere = [("SMARTCOURSE_GRPC__PROGRESS", "127.0.0.1:9")];
    world.restart("worker", &nowhere).await?;
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
