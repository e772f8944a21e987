//! Restarts and upgrades while people are at work: there are two of each role, and one after the other is stopped and started again.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_tests::{Layout, Learning, Session, World, text_lessons, wait_for};
use uuid::Uuid;

use crate::{
    LESSONS, LONG_TOKENS,
    enrollment::{course, holds},
    executable,
};

/// Who learns at once, and how many may come one after the other.
const LEARNERS: usize = 4;
const STUDENTS: i32 = 1000;

/// Names the executable of the version before.
const EARLIER: &str = "SMARTCOURSE_TEST_EARLIER";

/// A user before whom both gateways are one, as behind a balancer: who is not answered by one is passed to the other.
struct Person<'a> {
    ways: Vec<Session>,
    turn: &'a AtomicUsize,
}

impl<'a> Person<'a> {
    fn new(session: &Session, gateways: &[String], turn: &'a AtomicUsize) -> Result<Self> {
        // A balancer that knows no connection which a gateway has closed meanwhile.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0).build()?;
        let ways = gateways.iter().map(|base| session.by_way_of(http.clone(), base));
        Ok(Self {
            ways: ways.collect(),
            turn,
        })
    }

    /// Asks, and is answered with this status.
    async fn ask(&self, method: Method, path: &str, body: &Value, status: u16) -> Result<Value> {
        let key = Uuid::new_v4().to_string();
        let first = self.turn.fetch_add(1, Relaxed);
        let mut unanswered = anyhow::anyhow!("there is no gateway");
        for attempt in 0..self.ways.len() {
            let way = &self.ways[(first + attempt) % self.ways.len()];
            let request = way.request(method.clone(), path).header("idempotency-key", &key);
            let request = match method {
                Method::GET => request,
                _ => request.json(body),
            };
            match way.send(request).await {
                Ok(reply) => return reply.expect(status).with_context(|| format!("{method} {path}")),
                Err(error) => unanswered = error.context(format!("{method} {path}")),
            }
        }
        Err(unanswered)
    }

    async fn learn(&self, course: i64) -> Result<()> {
        self.ask(Method::GET, "/courses", &Value::Null, 200).await?;
        let enroll = format!("/courses/{course}/enroll");
        let enrolled = self.ask(Method::POST, &enroll, &Value::Null, 201).await?;
        let enrollment = format!("/enrollments/{}", enrolled["enrollment_id"]);
        wait_for("the onboarding", async || {
            let shown = self.ask(Method::GET, &enrollment, &Value::Null, 200).await?;
            let state = shown["onboarding"]["state"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            Ok(if state == "completed" { Ok(()) } else { Err(state) })
        })
        .await?;
        let content = format!("/courses/{course}/content");
        self.ask(Method::GET, &content, &Value::Null, 200).await?;
        for lesson in ["l1", "l2"] {
            let complete = format!("/progress/lessons/{lesson}/complete");
            self.ask(Method::POST, &complete, &json!({ "course_id": course }), 200)
                .await?;
        }
        Ok(())
    }

    /// Makes a course and publishes it.
    async fn teach(&self) -> Result<()> {
        let draft = json!({"title": "Meanwhile", "description": "For a test."});
        let made = self.ask(Method::POST, "/courses", &draft, 201).await?;
        let course = format!("/courses/{}", made["id"]);
        let lessons = json!({"modules": [{"id": "m1", "title": "All", "lessons": text_lessons(&LESSONS)}]});
        self.ask(Method::PUT, &format!("{course}/content"), &lessons, 200)
            .await?;
        let publish = format!("{course}/publish");
        self.ask(Method::POST, &publish, &Value::Null, 202).await?;
        wait_for("the publish", async || {
            let shown = self.ask(Method::GET, &publish, &Value::Null, 200).await?;
            let state = shown["state"].as_str().unwrap_or_default().to_owned();
            ensure!(state != "failed", "{shown}");
            Ok(if state == "completed" { Ok(()) } else { Err(state) })
        })
        .await
    }
}

/// Two of each role serve people who learn and teach, while something is done to the roles. Every request is answered, and in the end
/// nothing is missing or there twice.
async fn at_work(world: &mut World, done_to_roles: impl AsyncFnOnce(&mut World) -> Result<()>) -> Result<()> {
    let instructor = world.sign_up("instructor").await?;
    let course = course(&instructor, None, &[]).await?;
    let waiting = Mutex::new(world.students(STUDENTS).await?);
    let gateways = world.scale(2).await?;
    let (turn, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    let learned = Mutex::new(Vec::new());

    let learning = (0..LEARNERS).map(async |_| {
        while !done.load(Relaxed) {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let student = next.context("there are enough students")?;
            Person::new(&student, &gateways, &turn)?.learn(course).await?;
            learned
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(student);
        }
        anyhow::Ok(())
    });
    let teacher = Person::new(&instructor, &gateways, &turn)?;
    let teaching = async {
        let mut published = 0;
        while !done.load(Relaxed) {
            teacher.teach().await?;
            published += 1;
        }
        anyhow::Ok(published)
    };
    let doing = async {
        done_to_roles(world).await?;
        done.store(true, Relaxed);
        anyhow::Ok(())
    };
    let (_, published, ()) = tokio::try_join!(try_join_all(learning), teaching, doing)?;
    let learned = learned.into_inner().unwrap_or_else(PoisonError::into_inner);
    ensure!(published > 0 && !learned.is_empty());
    let expected = Learning::completed_once(2);
    for student in &learned {
        holds(world, course, student, &expected).await?;
    }
    Ok(())
}

/// One role after the other is stopped and started again.
async fn roll(world: &mut World) -> Result<()> {
    for role in [
        "serve", "serve-2", "relay", "relay-2", "worker", "worker-2", "tasks", "tasks-2",
    ] {
        world.roll(role).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_answers_every_request_and_doubles_nothing() -> Result<()> {
    let mut world = World::start_with(executable(), Layout::Together, &[LONG_TOKENS]).await?;
    at_work(&mut world, roll).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the executable of the version before: tests/line-ups.sh"]
async fn an_upgrade_and_the_way_back_answer_every_request_and_double_nothing() -> Result<()> {
    let earlier = std::env::var_os(EARLIER).with_context(|| format!("{EARLIER} names no executable"))?;
    let earlier = Path::new(&earlier);
    let mut world = World::start_with(earlier, Layout::Together, &[LONG_TOKENS]).await?;
    at_work(&mut world, async |world| {
        let mut migrate = tokio::process::Command::new(executable());
        let migrated = migrate.arg("migrate").envs(world.settings()).output().await?;
        ensure!(
            migrated.status.success(),
            "{}",
            String::from_utf8_lossy(&migrated.stderr)
        );
        world.run_by(executable());
        roll(world).await?;
        world.run_by(earlier);
        roll(world).await
    })
    .await
}
