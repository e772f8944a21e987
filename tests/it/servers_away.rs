//! Each server that can be named is away: while people are at work, when the roles start, and back again. What goes on meanwhile, what
//! fails and what waits is what the table in docs/OPERATIONS.md says.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, header::RANGE};
use serde_json::{Value, json};
use smartcourse_tests::{
    Fault, Layout, Learning, Link, Reply, ServerKind, Session, TestQdrant, TestServer, World, text_lessons,
    wait_for,
};

use crate::{LESSONS, enroll, executable};

/// The longest anybody waits for an answer of a platform that lacks a server.
const ANSWERED: Duration = Duration::from_secs(30);
/// The roles of a world.
const ROLES: [&str; 4] = ["serve", "relay", "worker", "tasks"];

/// What somebody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
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
enum Effect {
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
struct Row {
    /// What `/readyz` calls it.
    name: &'static str,
    /// What names it.
    variable: &'static str,
    /// Answered 503 `unavailable`; everything else is done.
    fails: &'static [Deed],
    /// Comes when the server is back; everything else comes at once.
    waits: &'static [Effect],
}

/// A published course with somebody in it.
struct School {
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
    async fn open(world: &World, drafts: usize) -> Result<Self> {
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

    async fn tries(&mut self, world: &World, deed: Deed) -> Result<Reply> {
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
    async fn is_as(&mut self, world: &World, row: &Row) -> Result<()> {
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

/// Waits until the platform says which of its servers are away.
async fn told(world: &World, away: &[&str]) -> Result<()> {
    wait_for("the state of the servers", async || {
        let ready = world.anonymous().get("/readyz").await?.expect(200)?;
        let servers = ready["servers"].as_object().into_iter().flatten();
        let silent: Vec<&str> = servers
            .filter(|(_, state)| **state == "down")
            .map(|(name, _)| name.as_str())
            .collect();
        let status = if away.is_empty() { "ok" } else { "degraded" };
        Ok(if silent == away && ready["status"] == status {
            Ok(())
        } else {
            Err(ready.to_string())
        })
    })
    .await
}

/// A server that can go.
enum Server {
    Real(Box<TestServer>),
    /// What is behind the link stays, and cannot be reached.
    Behind(Link),
}

impl Server {
    async fn goes(&mut self) -> Result<()> {
        match self {
            Self::Real(server) => server.kill().await?,
            Self::Behind(link) => link.fail(Fault::Cut),
        }
        Ok(())
    }

    async fn comes_back(&mut self) -> Result<()> {
        match self {
            Self::Real(server) => server.start_again().await?,
            Self::Behind(link) => link.mend(),
        }
        Ok(())
    }
}

/// The row holds for a real server.
async fn is_away(kind: ServerKind, row: Row) -> Result<()> {
    let servers = [TestServer::start(kind).await?];
    let world = World::start_on(&servers, executable(), Layout::Together, &[]).await?;
    let [server] = servers;
    let address = server.variable(row.variable).to_owned();
    holds(row, Server::Real(Box::new(server)), &address, world).await
}

/// The row holds while the server is away, with roles that were there before and with roles that have never seen it; then everything
/// that was accepted is done once.
async fn holds(row: Row, mut server: Server, address: &str, mut world: World) -> Result<()> {
    let mut school = School::open(&world, 2).await?;
    told(&world, &[]).await?;
    server.goes().await?;
    told(&world, &[row.name]).await?;
    school.is_as(&world, &row).await?;

    for role in ROLES {
        world.restart(role, &[]).await?;
    }
    world.ready().await?;
    told(&world, &[row.name]).await?;
    let address = address.rsplit(['/', '@']).find(|part| part.contains(':'));
    let address = address.context("it has an address")?;
    let log = world.log("serve");
    let named = |line: &str| {
        ["does not answer", row.variable, address]
            .iter()
            .all(|part| line.contains(part))
    };
    ensure!(log.lines().any(named), "{} {address}: {log}", row.variable);
    school.is_as(&world, &row).await?;

    server.comes_back().await?;
    told(&world, &[]).await?;
    for deed in row.fails {
        let reply = wait_for("an answer", async || {
            let reply = school.tries(&world, *deed).await?;
            Ok(if reply.status == 503 {
                Err(reply.body.to_string())
            } else {
                Ok(reply)
            })
        });
        let reply = reply.await?;
        ensure!(matches!(reply.status, 200..=206), "{deed:?}: {}", reply.body);
    }
    for effect in Effect::ALL {
        school.comes(&world, effect).await?;
    }
    for student in &school.enrolled {
        let seen = school.learning(&world, student).await?;
        ensure!(seen == Learning::enrolled_once(), "{seen:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn kafka_is_away() -> Result<()> {
    is_away(
        ServerKind::Kafka,
        Row {
            name: "Kafka",
            variable: "KAFKA_BROKERS",
            fails: &[],
            waits: &[Effect::Numbers],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn mongodb_is_away() -> Result<()> {
    is_away(
        ServerKind::FerretDb,
        Row {
            name: "MongoDB",
            variable: "MONGODB_URL",
            fails: &[Deed::Read, Deed::Ask, Deed::Edit, Deed::Upload, Deed::Download],
            waits: &[Effect::Version],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn s3_is_away() -> Result<()> {
    is_away(
        ServerKind::MinIo,
        Row {
            name: "S3",
            variable: "S3_ENDPOINT",
            fails: &[Deed::Upload, Deed::Download],
            waits: &[Effect::Version],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn opensearch_is_away() -> Result<()> {
    is_away(
        ServerKind::OpenSearch,
        Row {
            name: "OpenSearch",
            variable: "OPENSEARCH_URL",
            fails: &[Deed::Search, Deed::Ask],
            waits: &[Effect::Version],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn rabbitmq_is_away() -> Result<()> {
    is_away(
        ServerKind::RabbitMq,
        Row {
            name: "RabbitMQ",
            variable: "AMQP_URL",
            fails: &[],
            waits: &[Effect::Mail],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn redis_is_away() -> Result<()> {
    is_away(
        ServerKind::Redis,
        Row {
            name: "Redis",
            variable: "REDIS_URL",
            fails: &[],
            waits: &[],
        },
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn qdrant_is_away() -> Result<()> {
    let server = TestQdrant::start("").await?;
    let (link, url) = Link::before(&server.url()).await?;
    let world = World::start_on(&[], executable(), Layout::Together, &[("QDRANT__URL", &url)]).await?;
    let row = Row {
        name: "Qdrant",
        variable: "QDRANT_URL",
        fails: &[Deed::Ask],
        waits: &[Effect::Version],
    };
    holds(row, Server::Behind(link), &url, world).await
}
