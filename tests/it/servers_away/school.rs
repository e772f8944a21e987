//! People at a platform that may lack a server: what they do, and what comes of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, header::RANGE};
use serde_json::{Value, json};
use smartcourse_tests::{Learning, Reply, Session, World, text_lessons, wait_for};

use crate::{LESSONS, enroll};

/// The longest anybody waits for an answer of a platform that lacks a server.
const ANSWERED: Duration = Duration::from_secs(30);

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    Browse,
    Search,
    Read,
    Ask,
    Edit,
    Upload,
    Download,
    Publish,
    Enroll,
    Complete,
}

impl Deed {
    const ALL: [Self; 10] = [
        Self::Browse,
        Self::Search,
        Self::Read,
        Self::Ask,
        Self::Edit,
        Self::Upload,
        Self::Download,
        Self::Publish,
        Self::Enroll,
        Self::Complete,
    ];
}

/// What comes of something by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// A publish ends.
    Version,
    /// A new student is told so by mail.
    Mail,
    /// A new student is counted, and finds it in the feed.
    Numbers,
}

impl Effect {
    const ALL: [Self; 3] = [Self::Version, Self::Mail, Self::Numbers];
}

/// What a row of the table says.
pub(super) struct Row {
    /// What `/readyz` calls it.
    pub(super) name: &'static str,
    /// What names it.
    pub(super) variable: &'static str,
    /// Answered 503 `unavailable`; everything else is done.
    pub(super) fails: &'static [Deed],
    /// Comes when the server is back; everything else comes at once.
    pub(super) waits: &'static [Effect],
}

/// A published course with somebody in it.
pub(super) struct School {
    instructor: Session,
    student: Session,
    course: i64,
    file: String,
    /// Drafts nobody has published yet.
    drafts: Vec<i64>,
    /// Drafts whose publish was accepted.
    publishing: Vec<i64>,
    /// Students who were given a seat.
    enrolled: Vec<Session>,
    lessons: Vec<String>,
}

impl School {
    /// With so many drafts to publish.
    pub(super) async fn open(world: &World, drafts: usize) -> Result<Self> {
        let instructor = world.sign_up("instructor").await?;
        let course = instructor.course(&LESSONS.repeat(2)).await?;
        let file = instructor
            .upload(course, "notes.txt", "Sagas and outboxes.")
            .await?;
        let file = file.expect(201)?["id"].as_str().context("an id")?.to_owned();
        let end = instructor.publish(course).await?;
        ensure!(end["state"] == "completed", "{end}");
        let student = world.sign_up("student").await?;
        enroll(&student, course).await?;
        let mut made = Vec::new();
        for _ in 0..drafts {
            made.push(draft_with_file(&instructor).await?);
        }
        Ok(Self {
            instructor,
            student,
            course,
            file,
            drafts: made,
            publishing: Vec::new(),
            enrolled: Vec::new(),
            lessons: (1..=4).map(|number| format!("l{number}")).collect(),
        })
    }

    pub(super) async fn tries(&mut self, world: &World, deed: Deed) -> Result<Reply> {
        let Self {
            instructor,
            student,
            course,
            file,
            ..
        } = self;
        let none = Value::Null;
        match deed {
            Deed::Browse => world.anonymous().get("/courses").await,
            Deed::Search => student.get("/search?q=compensation").await,
            Deed::Read => student.get(&format!("/courses/{course}/content")).await,
            Deed::Ask => {
                let question = json!({ "question": "What is a saga a sequence of?" });
                student.post(&format!("/courses/{course}/ask"), &question).await
            }
            Deed::Edit => {
                instructor
                    .put_lessons(*course, &text_lessons(&LESSONS.repeat(2)))
                    .await
            }
            Deed::Upload => instructor.upload(*course, "more.txt", "More.").await,
            Deed::Download => {
                // A part of a file comes by way of the gateway, wherever whole ones are sent from.
                let path = format!("/courses/{course}/assets/{file}");
                let part = instructor.request(Method::GET, &path).header(RANGE, "bytes=0-4");
                instructor.send(part).await
            }
            Deed::Publish => {
                let draft = *self.drafts.last().context("a draft")?;
                let reply = instructor
                    .post(&format!("/courses/{draft}/publish"), &none)
                    .await?;
                if reply.status == 202 {
                    self.drafts.pop();
                    self.publishing.push(draft);
                }
                Ok(reply)
            }
            Deed::Enroll => {
                let new = world.sign_up("student").await?;
                let reply = new.post(&format!("/courses/{course}/enroll"), &none).await?;
                if reply.status == 201 {
                    self.enrolled.push(new);
                }
                Ok(reply)
            }
            Deed::Complete => {
                let lesson = self.lessons.pop().context("a lesson")?;
                student.complete_lesson(*course, &lesson).await
            }
        }
    }

    /// Everybody tries everything, as the row says while its server is away.
    pub(super) async fn is_as(&mut self, world: &World, row: &Row) -> Result<()> {
        for deed in Deed::ALL {
            let began = Instant::now();
            let reply = self.tries(world, deed).await?;
            let took = began.elapsed();
            let Reply { status, body, .. } = &reply;
            if row.fails.contains(&deed) {
                ensure!(
                    *status == 503 && reply.code() == "unavailable",
                    "{deed:?}: {status} {body}"
                );
            } else {
                ensure!(matches!(status, 200..=206), "{deed:?}: {status} {body}");
            }
            ensure!(took < ANSWERED, "{deed:?} took {took:?}");
        }
        for effect in Effect::ALL {
            match row.waits.contains(&effect) {
                true => self.waits(world, effect).await?,
                false => self.comes(world, effect).await?,
            }
        }
        Ok(())
    }

    /// Waits until it has come of all that was accepted.
    async fn comes(&self, world: &World, effect: Effect) -> Result<()> {
        if effect == Effect::Version {
            for course in &self.publishing {
                let end = self.instructor.publish_end(*course).await?;
                ensure!(end["state"] == "completed", "{end}");
            }
            return Ok(());
        }
        for student in &self.enrolled {
            wait_for("what follows a seat", async || {
                let seen = self.learning(world, student).await?;
                let came = match effect {
                    Effect::Mail => seen.mails == 1,
                    _ => (seen.counted, seen.feed) == (1, 1),
                };
                Ok(if came {
                    Ok(())
                } else {
                    Err(format!("{effect:?}: {seen:?}"))
                })
            })
            .await?;
        }
        Ok(())
    }

    async fn learning(&self, world: &World, student: &Session) -> Result<Learning> {
        Learning::of(
            &world.pool,
            &world.mails(),
            self.course,
            student.id,
            &student.email,
        )
        .await
    }

    /// Everything has come of each seat that was given, and once.
    pub(super) async fn is_right(&self, world: &World) -> Result<()> {
        for effect in Effect::ALL {
            self.comes(world, effect).await?;
        }
        for student in &self.enrolled {
            let seen = self.learning(world, student).await?;
            ensure!(seen == Learning::enrolled_once(), "{seen:?}");
        }
        Ok(())
    }

    /// It has come of nothing yet.
    async fn waits(&self, world: &World, effect: Effect) -> Result<()> {
        if effect == Effect::Version {
            for course in &self.publishing {
                let waits = |status: &Value| status["waiting_for"] == "retry";
                self.instructor
                    .publish_shows(*course, "a publish that waits", waits)
                    .await?;
            }
            return Ok(());
        }
        for student in &self.enrolled {
            let seen = self.learning(world, student).await?;
            let came = match effect {
                Effect::Mail => seen.mails,
                _ => seen.counted + seen.feed,
            };
            ensure!(came == 0, "{effect:?}: {seen:?}");
        }
        Ok(())
    }
}

/// A course whose content has a text and a file.
async fn draft_with_file(instructor: &Session) -> Result<i64> {
    let course = instructor.course(&LESSONS).await?;
    let file = instructor
        .upload(course, "film.txt", "A film in words.")
        .await?
        .expect(201)?;
    let mut lessons = text_lessons(&LESSONS);
    lessons
        .push(json!({"id": "l3", "title": "Film", "type": "document", "content": {"asset_id": file["id"]}}));
    instructor.put_lessons(course, &lessons).await?.expect(200)?;
    Ok(course)
}
