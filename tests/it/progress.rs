//! Learning as students see it: from the seat over lessons and quizzes to a certificate anybody can verify.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Session, World, wait_for};

use crate::{LESSONS, executable};

/// Something no answer to a student may contain.
const SECRET: &str = "xylophone";

/// Takes a seat and waits until progress is set up.
async fn enroll(student: &Session, course: i64) -> Result<i64> {
    let enrollment = student
        .post(&format!("/courses/{course}/enroll"), &Value::Null)
        .await?
        .expect(201)?;
    ready(student, course).await?;
    enrollment["enrollment_id"]
        .as_i64()
        .context("an enrollment has an id")
}

/// The progress of a student, once it is set up.
async fn ready(student: &Session, course: i64) -> Result<Value> {
    wait_for("the progress to be set up", async || {
        let reply = student.get(&format!("/progress/courses/{course}")).await?;
        match reply.status {
            200 => Ok(Ok(reply.body)),
            _ if reply.code() == "not_ready" => Ok(Err(reply.body.to_string())),
            _ => reply.expect(200).map(Ok),
        }
    })
    .await
}

/// How many events of a type there are of an enrollment.
async fn events(world: &World, kind: &str, enrollment: i64) -> Result<i64> {
    Ok(
        sqlx::query_scalar("select count(*) from platform.events where type = $1 and key = $2")
            .bind(kind)
            .bind(format!("enrollment-{enrollment}"))
            .fetch_one(&world.pool)
            .await?,
    )
}

fn text(id: &str) -> Value {
    json!({"id": id, "title": id, "type": "text", "content": {"markdown": LESSONS[0].1}})
}

fn quiz() -> Value {
    let options =
        json!([{"id": "a", "text": "A queue"}, {"id": "b", "text": "A table"}, {"id": "c", "text": "A row"}]);
    json!({"id": "quiz", "title": "Quiz", "type": "quiz", "content": {"quiz": {
        "pass_percent": 60,
        "max_attempts": 2,
        "questions": [
            {"id": "q1", "kind": "single_choice", "prompt": "What is an outbox?", "options": options, "correct": ["b"]},
            {"id": "q2", "kind": "multiple_choice", "prompt": "What is in it?", "options": options, "correct": ["b", "c"]},
            {"id": "q3", "kind": "short_text", "prompt": "What plays the tune?", "correct": [SECRET]},
        ]
    }}})
}

#[tokio::test(flavor = "multi_thread")]
async fn quizzes_are_graded_on_the_server_and_limited() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    instructor
        .put_lessons(course, &[text("l1"), quiz()])
        .await?
        .expect(200)?;
    ensure!(instructor.publish(course).await?["state"] == "completed");

    let path = "/progress/lessons/quiz/attempts";
    let wrong = json!({"course_id": course, "answers": {"q1": "a", "q2": ["b"], "q3": "a flute"}});
    let right = json!({"course_id": course, "answers": {"q1": "b", "q2": ["c", "b"], "q3": format!(" {} ", SECRET.to_uppercase())}});
    let mut seen = String::new();

    let unlucky = world.sign_up("student").await?;
    enroll(&unlucky, course).await?;
    for (body, field) in [
        (json!({"course_id": course, "answers": {"q1": 7}}), "answers.q1"),
        (json!({"course_id": course, "answers": {"q9": "a"}}), "answers.q9"),
        (json!({"course_id": course}), "answers"),
        (json!({"answers": {}}), "course_id"),
    ] {
        let refused = unlucky.post(path, &body).await?.expect(422)?;
        ensure!(refused["errors"][0]["field"] == field, "{refused}");
    }
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let (student, wrong) = (unlucky.clone(), wrong.clone());
            tokio::spawn(async move { student.post(path, &wrong).await })
        })
        .collect();
    let mut graded = 0;
    for call in calls {
        let reply = call.await??;
        seen += &reply.body.to_string();
        match reply.status {
            200 => graded += 1,
            _ => ensure!(
                reply.status == 409 && reply.code() == "attempts_exhausted",
                "{reply:?}"
            ),
        }
    }
    ensure!(graded == 2, "{graded} attempts instead of 2");
    ensure!(unlucky.complete_lesson(course, "quiz").await?.code() == "quiz_not_passed");
    let progress = ready(&unlucky, course).await?;
    ensure!(
        progress["lessons"][1]["status"] == "in_progress" && progress["percent"] == 0.0,
        "{progress}"
    );

    let lucky = world.sign_up("student").await?;
    let enrollment = enroll(&lucky, course).await?;
    let attempt = |body: &Value| {
        lucky
            .request(reqwest::Method::POST, path)
            .header("idempotency-key", "first")
            .json(body)
    };
    let first = lucky.send(attempt(&right)).await?.expect(200)?;
    ensure!(
        first["score"] == 100.0 && first["passed"] == true && first["attempt"] == 1,
        "{first}"
    );
    ensure!(
        lucky.send(attempt(&right)).await?.expect(200)?["attempt"] == 1,
        "the same key was another attempt"
    );
    ensure!(lucky.send(attempt(&wrong)).await?.code() == "idempotency_mismatch");
    ensure!(lucky.complete_lesson(course, "quiz").await?.expect(200)?["percent"] == 50.0);
    ensure!(events(&world, "progress.updated", enrollment).await? == 1);

    // The key is nowhere a student looks.
    seen += &first.to_string();
    seen += &ready(&lucky, course).await?.to_string();
    seen += &lucky
        .get(&format!("/courses/{course}/content"))
        .await?
        .expect(200)?
        .to_string();
    ensure!(!seen.contains(SECRET) && !seen.contains("correct\":["), "{seen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_lesson_earns_one_certificate_that_a_republish_leaves_alone() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    let (student, open) = (world.sign_up("student").await?, world.sign_up("student").await?);
    let progress_path = format!("/progress/courses/{course}");

    // Strangers are refused, whoever they are, and so is a lesson that is not there.
    let stranger = world.sign_up("student").await?;
    for caller in [&stranger, &instructor] {
        ensure!(caller.complete_lesson(course, "l1").await?.expect(403)?["code"] == "not_enrolled");
        ensure!(caller.get(&progress_path).await?.code() == "not_enrolled");
    }
    ensure!(world.anonymous().get(&progress_path).await?.status == 401);
    let enrollment = enroll(&student, course).await?;
    let open_enrollment = enroll(&open, course).await?;
    ensure!(student.complete_lesson(course, "l9").await?.status == 404);
    ensure!(student.complete_lesson(0, "l1").await?.status == 404);

    // Two last lessons, each twice, at the same moment.
    let calls: Vec<_> = ["l1", "l2", "l1", "l2"]
        .map(|lesson| {
            let student = student.clone();
            tokio::spawn(async move { student.complete_lesson(course, lesson).await?.expect(200) })
        })
        .into();
    for call in calls {
        call.await??;
    }
    let done = ready(&student, course).await?;
    ensure!(
        done["percent"] == 100.0 && !done["completed_at"].is_null(),
        "{done}"
    );
    for (kind, count) in [
        ("progress.updated", 2),
        ("course.completed", 1),
        ("certificate.issued", 1),
    ] {
        let found = events(&world, kind, enrollment).await?;
        ensure!(found == count, "{found} {kind}");
    }

    // Anybody can verify the certificate, as data and as a page.
    let mine = student.get("/certificates").await?.expect(200)?;
    ensure!(
        mine["items"].as_array().is_some_and(|items| items.len() == 1),
        "{mine}"
    );
    let certificate = &mine["items"][0];
    let path = format!(
        "/certificates/{}",
        certificate["code"].as_str().context("a code")?
    );
    ensure!(certificate["full_name"] == "Some Body" && certificate["course_title"] == "A course");
    ensure!(world.anonymous().get("/certificates").await?.status == 401);
    ensure!(world.anonymous().get(&path).await?.expect(200)? == *certificate);
    ensure!(world.anonymous().get("/certificates/SC-1").await?.status == 404);
    for (path, accept) in [
        (path.clone(), "application/pdf"),
        (format!("{path}?format=pdf"), "*/*"),
    ] {
        let page = world
            .http
            .get(format!("{}{path}", world.base))
            .header("accept", accept)
            .send()
            .await?;
        ensure!(page.headers()["content-type"] == "application/pdf");
        ensure!(page.bytes().await?.starts_with(b"%PDF-"));
    }

    // One lesson more: the percentage tells of the new version, the certificate of the old one.
    open.complete_lesson(course, "l1").await?.expect(200)?;
    instructor
        .put_lessons(course, &[text("l1"), text("l2"), text("l3")])
        .await?
        .expect(200)?;
    ensure!(instructor.publish(course).await?["version"] == 2);
    let progress = ready(&student, course).await?;
    ensure!(
        progress["percent"] == 66.66 && progress["completed_at"] == done["completed_at"],
        "{progress}"
    );
    ensure!(student.get("/certificates").await?.expect(200)? == mine);
    let of_other = format!("{progress_path}?user_id={}", student.id);
    ensure!(instructor.get(&of_other).await?.expect(200)? == progress);
    ensure!(world.admin().await?.get(&of_other).await?.status == 200);
    ensure!(open.get(&of_other).await?.status == 403);

    // Two lessons fewer: who had done the rest has completed the course.
    instructor.put_lessons(course, &[text("l1")]).await?.expect(200)?;
    ensure!(instructor.publish(course).await?["version"] == 3);
    wait_for("the completion by the republish", async || {
        let progress = ready(&open, course).await?;
        Ok(if progress["completed_at"].is_null() {
            Err(progress.to_string())
        } else {
            Ok(())
        })
    })
    .await?;
    ensure!(events(&world, "course.completed", open_enrollment).await? == 1);
    ensure!(events(&world, "course.completed", enrollment).await? == 1);
    ensure!(open.get("/certificates").await?.expect(200)?["items"][0]["version"] == 3);

    // Who has left learns no more.
    let leaver = world.sign_up("student").await?;
    let left = enroll(&leaver, course).await?;
    ensure!(leaver.delete(&format!("/enrollments/{left}")).await?.status < 300);
    ensure!(leaver.complete_lesson(course, "l1").await?.code() == "not_enrolled");
    ensure!(leaver.get(&progress_path).await?.code() == "not_enrolled");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_and_ninety_nine_of_two_hundred_lessons_is_not_all() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    let lessons: Vec<Value> = (1..=200).map(|number| text(&format!("l{number}"))).collect();
    instructor.put_lessons(course, &lessons).await?.expect(200)?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    let student = world.sign_up("student").await?;
    enroll(&student, course).await?;
    for number in 1..=199 {
        student
            .complete_lesson(course, &format!("l{number}"))
            .await?
            .expect(200)?;
    }
    let progress = ready(&student, course).await?;
    ensure!(
        progress["percent"] == 99.5
            && progress["completed_lessons"] == 199
            && progress["completed_at"].is_null(),
        "{progress}"
    );
    let done = student.complete_lesson(course, "l200").await?.expect(200)?;
    ensure!(
        done["percent"] == 100.0 && !done["completed_at"].is_null(),
        "{done}"
    );
    Ok(())
}
