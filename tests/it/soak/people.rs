//! People who teach and learn, and the ledger of what they were told.

use std::{cell::RefCell, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rand::{Rng as _, seq::IndexedRandom as _};
use reqwest::Method;
use serde_json::{Value, json};
use smartcourse_tests::{Cutter, Reply, Session, wait_longer};
use uuid::Uuid;

use crate::LESSONS;

/// How long somebody asks for the same thing: all harm is mended long before.
const OUTAGE: Duration = Duration::from_secs(240);
/// Lessons of every course.
const LESSONS_OF_A_COURSE: usize = 3;

/// A version whose publish has ended.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) course: i64,
    pub(super) version: i32,
    /// Whether it was published; else it was cancelled.
    pub(super) published: bool,
}

/// What a student was told of one course.
#[derive(Debug, Clone)]
pub(super) struct Learner {
    pub(super) student: Session,
    pub(super) course: i64,
    /// Seats taken, one after the other.
    pub(super) epochs: i64,
    /// Onboardings that were seen to end.
    pub(super) onboarded: i64,
    /// Lessons completed.
    pub(super) lessons: i64,
    /// Whether the last seat was kept.
    pub(super) seated: bool,
}

impl Learner {
    pub(super) fn has_completed(&self) -> bool {
        self.lessons == LESSONS_OF_A_COURSE as i64
    }
}

/// What was acknowledged.
#[derive(Default)]
pub(super) struct Ledger {
    waiting: RefCell<Vec<Session>>,
    versions: RefCell<Vec<Version>>,
    learners: RefCell<Vec<Learner>>,
}

impl Ledger {
    /// An empty one, for these students.
    pub(super) fn of(students: Vec<Session>) -> Self {
        Self {
            waiting: RefCell::new(students),
            ..Self::default()
        }
    }

    pub(super) fn next_student(&self) -> Option<Session> {
        self.waiting.borrow_mut().pop()
    }

    pub(super) fn versions(&self) -> Vec<Version> {
        self.versions.borrow().clone()
    }

    pub(super) fn learners(&self) -> Vec<Learner> {
        self.learners.borrow().clone()
    }

    /// A course that is published.
    fn course(&self) -> Option<i64> {
        let versions = self.versions.borrow();
        let published: Vec<i64> = versions
            .iter()
            .filter(|version| version.published)
            .map(|version| version.course)
            .collect();
        published.choose(&mut rand::rng()).copied()
    }
}

/// Somebody who asks until there is an answer, and hangs up early now and then.
pub(super) struct Person {
    patient: Session,
    hasty: Session,
}

impl Person {
    /// Whose hasty requests go through the proxy.
    pub(super) fn new(patient: Session, cutter: &Cutter) -> Result<Self> {
        let hasty = cutter.by_way_of(&patient)?;
        Ok(Self { patient, hasty })
    }

    /// Asks under one key until somebody answers, so that whatever was lost on the way is done once.
    async fn insist(&self, method: Method, path: &str, body: &Value) -> Result<Reply> {
        let key = Uuid::new_v4().to_string();
        wait_longer(OUTAGE, path, async || {
            let session = match rand::rng().random_bool(0.3) {
                true => &self.hasty,
                false => &self.patient,
            };
            let request = session
                .request(method.clone(), path)
                .header("idempotency-key", &key);
            let reply = match session.send(request.json(body)).await {
                Ok(reply) => reply,
                Err(error) => return Ok(Err(error.to_string())),
            };
            ensure!(reply.status != 500, "{method} {path}: {}", reply.body);
            Ok(match reply.status {
                429 | 502..=504 => Err(reply.body.to_string()),
                _ => Ok(reply),
            })
        })
        .await
    }

    /// Makes a course and publishes it a few times, changing it in between; now and then the publish is cancelled.
    pub(super) async fn teach(&self, ledger: &Ledger) -> Result<()> {
        let course = json!({"title": "A course", "description": "For a soak."});
        let made = self
            .insist(Method::POST, "/courses", &course)
            .await?
            .expect(201)?;
        let course = made["id"].as_i64().context("a course has an id")?;
        let editions = rand::rng().random_range(1..=4);
        for edition in 0..editions {
            let content = format!("/courses/{course}/content");
            self.insist(Method::PUT, &content, &edited(edition))
                .await?
                .expect(200)?;
            let path = format!("/courses/{course}/publish");
            self.insist(Method::POST, &path, &Value::Null)
                .await?
                .expect(202)?;
            let cancels = rand::rng().random_bool(0.2);
            if cancels {
                let reply = self.insist(Method::DELETE, &path, &Value::Null).await?;
                ensure!(matches!(reply.status, 202 | 409), "{}", reply.body);
            }
            let end = self.patient.publish_end_within(course, OUTAGE).await?;
            let published = end["state"] == "completed";
            ensure!(published || cancels && end["state"] == "cancelled", "{end}");
            let version = end["version"].as_i64().context("a version has a number")?;
            ledger.versions.borrow_mut().push(Version {
                course,
                version: i32::try_from(version)?,
                published,
            });
        }
        Ok(())
    }

    /// Takes a seat somewhere, learns, and leaves or stays; some come back.
    pub(super) async fn learn(&self, ledger: &Ledger) -> Result<()> {
        let course = wait_longer(OUTAGE, "a published course", async || {
            Ok(ledger.course().ok_or_else(String::new))
        })
        .await?;
        let mut learner = Learner {
            student: self.patient.clone(),
            course,
            epochs: 0,
            onboarded: 0,
            lessons: 0,
            seated: false,
        };
        let outcome = self.go_through(&mut learner).await;
        ledger.learners.borrow_mut().push(learner);
        outcome
    }

    async fn go_through(&self, learner: &mut Learner) -> Result<()> {
        let course = learner.course;
        loop {
            let enroll = format!("/courses/{course}/enroll");
            let seat = self
                .insist(Method::POST, &enroll, &Value::Null)
                .await?
                .expect(201)?;
            let enrollment = seat["enrollment_id"]
                .as_i64()
                .context("an enrollment has an id")?;
            learner.epochs += 1;
            learner.seated = true;
            // Some leave before they have begun.
            if rand::rng().random_bool(0.9) {
                self.onboarded(enrollment).await?;
                learner.onboarded += 1;
                while rand::rng().random_bool(0.7) && !learner.has_completed() {
                    let path = format!("/progress/lessons/l{}/complete", learner.lessons + 1);
                    let body = json!({ "course_id": course });
                    self.insist(Method::POST, &path, &body).await?.expect(200)?;
                    learner.lessons += 1;
                }
            }
            // A completed course is not left.
            if learner.has_completed() || rand::rng().random_bool(0.7) {
                return Ok(());
            }
            let path = format!("/enrollments/{enrollment}");
            self.insist(Method::DELETE, &path, &Value::Null)
                .await?
                .expect(204)?;
            learner.seated = false;
            if rand::rng().random_bool(0.5) {
                return Ok(());
            }
        }
    }

    async fn onboarded(&self, enrollment: i64) -> Result<()> {
        let path = format!("/enrollments/{enrollment}");
        wait_longer(OUTAGE, "the onboarding", async || {
            let Ok(reply) = self.patient.get(&path).await else {
                return Ok(Err("no answer".to_owned()));
            };
            Ok(match reply.body["onboarding"]["state"].as_str() {
                Some("completed") => Ok(()),
                _ => Err(reply.body.to_string()),
            })
        })
        .await
    }
}

/// Content whose first lesson is another in each edition.
fn edited(edition: u32) -> Value {
    let lessons = (0..LESSONS_OF_A_COURSE).map(|number| {
        let (title, text) = LESSONS[number % LESSONS.len()];
        let markdown = match number {
            0 => format!("{text}\nEdition {edition}, {}.\n", Uuid::new_v4()),
            _ => text.to_owned(),
        };
        json!({"id": format!("l{}", number + 1), "title": title, "type": "text", "content": {"markdown": markdown}})
    });
    let lessons: Vec<Value> = lessons.collect();
    json!({"modules": [{"id": "m1", "title": "Module", "lessons": lessons}]})
}
