//! Clients that hang up early take nothing from anybody: what was acknowledged is there, whoever else gave up meanwhile, and
//! nothing they began holds a lock afterwards.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::future::{join_all, try_join_all};
use reqwest::{Method, multipart};
use serde_json::{Value, json};
use smartcourse_tests::{Cutter, Layout, Reply, Session, World, wait_for};
use sqlx::{Connection as _, PgConnection};

use crate::{LESSONS, executable, root};

/// What the alert goes by.
const METRIC: &str = "smartcourse_db_transactions_standing_still";

/// Users at once, and how often each goes through everything.
const USERS: usize = 6;
const ROUNDS: usize = 8;

/// A user whose connections are cut, and who then asks as patiently as everybody else.
#[derive(Clone)]
struct Hasty {
    patient: Session,
    hasty: Session,
}

impl Hasty {
    async fn sign_up(world: &World, cutter: &Cutter, role: &str) -> Result<Self> {
        let patient = world.sign_up(role).await?;
        let hasty = cutter.by_way_of(&patient)?;
        Ok(Self { patient, hasty })
    }

    /// Sends a request in haste. Without an answer it is sent again, patiently, under the same key. Answers the reply.
    async fn insist(&self, path: &str, key: &str, body: &Value) -> Result<Reply> {
        let ask = async |session: &Session| {
            let request = session.request(Method::POST, path);
            session
                .send(request.header("idempotency-key", key).json(body))
                .await
        };
        match ask(&self.hasty).await {
            Ok(reply) => Ok(reply),
            Err(_) => ask(&self.patient).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_stays_whoever_hangs_up() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let cutter = Cutter::start(&world.base).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");

    let user = async |user: usize| {
        let teacher = Hasty::sign_up(&world, &cutter, "instructor").await?;
        for round in 0..ROUNDS {
            let key = format!("{user}-{round}");
            let student = Hasty::sign_up(&world, &cutter, "student").await?;
            learn(&student, course, &key)
                .await
                .with_context(|| format!("student {key}"))?;
            teach(&teacher, &key)
                .await
                .with_context(|| format!("teacher {key}"))?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..USERS).map(user)).await?;

    world.at_rest().await?;
    let taken = instructor.get(&format!("/courses/{course}")).await?.expect(200)?;
    ensure!(taken["seats"]["taken"] == USERS * ROUNDS, "{taken}");
    let ready = world.anonymous().get("/readyz").await?.expect(200)?;
    ensure!(ready["status"] == "ok", "{ready}");
    ensure!(world.is_running("serve"));
    Ok(())
}

/// A student enrolls, learns, asks and signs out; everything acknowledged is read back at once.
async fn learn(student: &Hasty, course: i64, key: &str) -> Result<()> {
    let Hasty { patient, hasty } = student;
    let enrolled = student
        .insist(&format!("/courses/{course}/enroll"), key, &Value::Null)
        .await?
        .expect(201)?;
    let mine = patient.get("/enrollments").await?.expect(200)?;
    ensure!(
        mine["items"].as_array().is_some_and(|items| items.len() == 1)
            && mine["items"][0]["enrollment_id"] == enrolled["enrollment_id"],
        "enrolled {enrolled}, listed {mine}"
    );

    // Refused until the onboarding has come so far.
    let progress = format!("/progress/courses/{course}");
    wait_for("the progress record", async || {
        let reply = patient.get(&progress).await?;
        Ok(if reply.status == 200 {
            Ok(())
        } else {
            Err(reply.body.to_string())
        })
    })
    .await?;
    if !matches!(hasty.complete_lesson(course, "l1").await, Ok(reply) if reply.status == 200) {
        patient.complete_lesson(course, "l1").await?.expect(200)?;
    }
    let done = patient.get(&progress).await?.expect(200)?;
    ensure!(done["completed_lessons"] == 1, "{done}");

    let ask = format!("/courses/{course}/ask");
    let question = json!({"question": "What is a saga?"});
    let answer = match hasty.post(&ask, &question).await {
        Ok(reply) => reply.expect(200)?,
        Err(_) => patient.post(&ask, &question).await?.expect(200)?,
    };
    let id = answer["conversation_id"].as_str().context("a conversation")?;
    let kept = patient.get(&format!("/conversations/{id}")).await?.expect(200)?;
    ensure!(
        kept["turns"][0]["answer"]["answer"] == answer["answer"],
        "{answer} is not in {kept}"
    );
    // What was asked and not answered is whole as well.
    for listed in patient.get("/conversations").await?.expect(200)?["items"]
        .as_array()
        .context("items")?
    {
        let id = listed["id"].as_str().context("an id")?;
        let whole = patient.get(&format!("/conversations/{id}")).await?.expect(200)?;
        ensure!(
            whole["turns"].as_array().is_some_and(|turns| turns.len() == 1),
            "{whole}"
        );
    }

    let token = json!({"refresh_token": patient.refresh_token});
    if !matches!(hasty.post("/auth/logout", &token).await, Ok(reply) if reply.status == 204) {
        patient.post("/auth/logout", &token).await?.expect(204)?;
    }
    patient.post("/auth/refresh", &token).await?.expect(401)?;
    Ok(())
}

/// An instructor makes a course, writes its content and adds a file.
async fn teach(teacher: &Hasty, key: &str) -> Result<()> {
    let Hasty { patient, hasty } = teacher;
    let course =
        json!({"title": format!("Course {key}"), "description": "For a test.", "max_enrollments": 3});
    let made = teacher.insist("/courses", key, &course).await?.expect(201)?;
    let id = made["id"].as_i64().context("an id")?;
    let seen = patient.get(&format!("/courses/{id}")).await?.expect(200)?;
    ensure!(seen["title"] == course["title"], "{seen}");

    let lesson =
        |text: &str| json!({"id": "l1", "title": "Lesson", "type": "text", "content": {"markdown": text}});
    let content = json!({"modules": [{"id": "m1", "title": "Module", "lessons": [lesson("In haste.")]}]});
    let path = format!("/courses/{id}/content");
    let acknowledged = hasty.put(&path, &content).await.ok();
    let draft = patient.get(&path).await?;
    if let Some(reply) = acknowledged {
        ensure!(
            reply.status == 200 && reply.headers["etag"] == draft.headers["etag"],
            "{} answered {:?}, then {:?}",
            reply.status,
            reply.headers.get("etag"),
            draft.headers.get("etag")
        );
    }

    let upload = async |session: &Session| {
        let part = multipart::Part::bytes(b"# A file\n\nIt has words.\n".to_vec()).file_name("file.md");
        let request = session.request(Method::POST, &format!("/courses/{id}/assets"));
        let form = multipart::Form::new().part("file", part);
        session
            .send(request.header("idempotency-key", key).multipart(form))
            .await
    };
    let file = match upload(hasty).await {
        Ok(reply) => reply,
        Err(_) => upload(patient).await?,
    }
    .expect(201)?;
    let asset = file["id"].as_str().context("an id")?;
    let bytes = patient
        .get(&format!("/courses/{id}/assets/{asset}"))
        .await?
        .expect(200)?;
    ensure!(bytes == "# A file\n\nIt has words.\n", "{bytes}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_stays_when_a_role_is_stopped_meanwhile() -> Result<()> {
    let mut world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    let mut students = Vec::new();
    for _ in 0..40 {
        students.push(world.sign_up("student").await?);
    }
    let students = &students;
    let enroll = |number: u32| async move {
        // One after the other, so that some are under way whenever the stop comes.
        tokio::time::sleep(Duration::from_millis(2) * number).await;
        let student = &students[number as usize];
        let request = student.request(Method::POST, &format!("/courses/{course}/enroll"));
        let request = request.header("idempotency-key", "once");
        let acknowledged = student.send(request).await.is_ok_and(|reply| reply.status == 201);
        acknowledged.then_some(student)
    };
    let crowd = join_all((0..40).map(enroll));
    let stop = async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        world.stop("serve").await
    };
    let (acknowledged, stopped) = tokio::join!(crowd, stop);
    stopped?;
    world.at_rest().await?;
    world.restart("serve", &[]).await?;
    world.ready().await?;
    let acknowledged: Vec<&Session> = acknowledged.into_iter().flatten().collect();
    for student in &acknowledged {
        let mine = student.get("/enrollments").await?.expect(200)?;
        ensure!(mine["items"][0]["course_id"] == course, "{mine}");
    }
    let seen = instructor.get(&format!("/courses/{course}")).await?.expect(200)?;
    let taken = seen["seats"]["taken"].as_u64().context("a number")?;
    ensure!(
        (acknowledged.len() as u64..=40).contains(&taken),
        "{} acknowledged, {taken} taken",
        acknowledged.len()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_process_died_before_its_document_is_found() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let instructor = world.sign_up("instructor").await?;
    let course = instructor.course(&LESSONS).await?;
    ensure!(instructor.publish(course).await?["state"] == "completed");
    let ask = format!("/courses/{course}/ask");
    let first = instructor
        .post(&ask, &json!({"question": "What is a saga?"}))
        .await?
        .expect(200)?;
    let id = first["conversation_id"].as_str().context("a conversation")?;
    let conversation = format!("/conversations/{id}");
    let whole = instructor.get(&conversation).await?.expect(200)?;

    // As it is between the commit and the document: the turn in the row, and no document of a new conversation.
    let pending = json!({"course_id": course, "turn": whole["turns"][0]});
    let forget = async |document: bool| {
        sqlx::query("update assistant.conversations set pending = $2 where id = $1")
            .bind(id)
            .bind(&pending)
            .execute(&world.pool)
            .await?;
        if document {
            sqlx::query("delete from platform.documents where collection = 'assistant.conversations'")
                .execute(&world.pool)
                .await?;
        }
        anyhow::Ok(())
    };
    forget(true).await?;
    let listed = instructor.get("/conversations").await?.expect(200)?;
    ensure!(listed["items"][0]["title"] == whole["title"], "{listed}");
    ensure!(
        instructor.get(&conversation).await?.expect(200)?["turns"] == whole["turns"],
        "not found"
    );
    forget(true).await?;
    ensure!(
        instructor.get(&conversation).await?.expect(200)?["turns"] == whole["turns"],
        "not found"
    );
    // Or the document was written and the row not yet cleared: the turn is there once, before the next one.
    forget(false).await?;
    let next = json!({"question": "What is an outbox?", "conversation_id": id});
    instructor.post(&ask, &next).await?.expect(200)?;
    let turns = instructor.get(&conversation).await?.expect(200)?["turns"].clone();
    ensure!(
        turns.as_array().is_some_and(|turns| turns.len() == 2) && turns[0] == whole["turns"][0],
        "{turns}"
    );
    instructor.delete(&conversation).await?.expect(204)?;
    instructor.get(&conversation).await?.expect(404)?;
    instructor.post(&ask, &next).await?.expect(404)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_stands_still_is_told_of() -> Result<()> {
    let world = World::start(executable(), Layout::Together).await?;
    let options = world.pool.connect_options().as_ref().clone();
    let mut stuck = PgConnection::connect_with(&options.application_name("smartcourse-test")).await?;
    sqlx::raw_sql("begin; select 'left behind'")
        .execute(&mut stuck)
        .await?;

    let told = async |status: &str, count: &str| {
        wait_for(status, async || {
            // On a busy machine a look at the database may take too long: 503 then, for a moment.
            let ready = world.anonymous().get("/readyz").await?.body;
            let (_, page) = world.ask_role("serve", "/metrics").await?;
            let line = format!("{METRIC} {count}\n");
            Ok(if ready["status"] == status && page.contains(&line) {
                Ok(())
            } else {
                Err(format!("{ready}\n{page}"))
            })
        })
        .await
    };
    told("degraded", "1").await?;
    ensure!(
        world.log("serve").contains("left behind"),
        "{}",
        world.log("serve")
    );
    stuck.close().await?;
    told("ok", "0").await?;
    let alerts = std::fs::read_to_string(root().join("deploy/prometheus/rules.yml"))?;
    ensure!(alerts.contains(METRIC), "an alert watches it");
    Ok(())
}
