//! The event log in Kafka, on a real one.

use std::{path::PathBuf, sync::Arc, time::Duration};

use rdkafka::{
    ClientConfig, Message as _,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    consumer::{Consumer as _, StreamConsumer},
    message::{Header, Headers as _, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::{Value, json};
use smartcourse_engines::{event_log, files::directory::Directory, servers};
use smartcourse_platform::{
    lifecycle::Lifecycle,
    ports::event_log::{EventHistory as _, EventLog},
};
use smartcourse_tests::{ServerKind, TestServer, wait_for};
use sqlx::PgPool;
use tempfile::TempDir;

use super::{
    POLL,
    event_log::{Group, KEYS, database, event_log_contract, put, put_all, relay, replayed},
};

/// A log with its broker and its database.
pub(crate) struct World {
    server: TestServer,
    kafka: servers::kafka::Kafka,
    pub(crate) pool: PgPool,
    pub(crate) history: event_log::kafka::History,
    _files: TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        let server = TestServer::start(ServerKind::Kafka).await.unwrap();
        let kafka = servers::kafka::Kafka::new(settings(server.variable("KAFKA_BROKERS")));
        let pool = database().await;
        let dir = tempfile::tempdir().unwrap();
        let files = Arc::new(Directory::open(dir.path()).unwrap());
        let world = Self {
            history: event_log::kafka::Kafka::history(kafka.clone(), pool.clone(), files),
            server,
            kafka,
            pool,
            _files: dir,
        };
        // Again is nothing.
        for _ in 0..2 {
            world.log().prepare().await.unwrap();
        }
        world
    }

    /// The log as one process has it.
    pub(crate) fn log(&self) -> Arc<dyn EventLog> {
        let log =
            event_log::kafka::Kafka::new(self.kafka.clone(), self.pool.clone(), self.pool.clone(), POLL);
        Arc::new(log)
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", self.server.variable("KAFKA_BROKERS"));
        client
    }

    /// So many messages of a topic, from its start.
    async fn messages(&self, topic: &str, count: usize) -> Vec<OwnedMessage> {
        let stream: StreamConsumer = self
            .client()
            .set("group.id", format!("test of {topic}"))
            .set("auto.offset.reset", "earliest")
            .create()
            .unwrap();
        stream.subscribe(&[topic]).unwrap();
        let read = async {
            let mut messages = Vec::new();
            while messages.len() < count {
                messages.push(stream.recv().await.unwrap().detach());
            }
            messages
        };
        tokio::time::timeout(Duration::from_secs(60), read).await.unwrap()
    }
}

/// Of brokers that ask for nothing.
pub(crate) fn settings(brokers: &str) -> servers::kafka::Settings {
    servers::kafka::Settings {
        brokers: brokers.to_owned(),
        tls: false,
        tls_authority: PathBuf::new(),
        tls_certificate: PathBuf::new(),
        tls_key: PathBuf::new(),
        username: String::new(),
        password: String::new().into(),
        sasl_mechanism: String::new(),
        prefix: "smartcourse".to_owned(),
        partitions: 3,
        replication: -1,
        retention_ms: -1,
    }
}

fn header<'m>(message: &'m OwnedMessage, name: &str) -> &'m str {
    let headers = message.headers().unwrap();
    let found = headers.iter().find(|header| header.key == name);
    std::str::from_utf8(found.and_then(|header| header.value).unwrap_or_default()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn an_event_log_in_kafka() {
    let world = World::start().await;
    event_log_contract(&world.pool, || world.log(), &world.history).await;

    // What others read there.
    let messages = world.messages("smartcourse.user", 40).await;
    let first = &messages[0];
    assert_eq!(first.key(), Some(&b"user-1"[..]));
    let payload: Value = serde_json::from_slice(first.payload().unwrap()).unwrap();
    assert_eq!(payload["n"], 0);
    assert_eq!(header(first, "ce_specversion"), "1.0");
    assert_eq!(header(first, "ce_type"), "thing");
    assert_eq!(header(first, "ce_subject"), "user-1");
    let sequences: Vec<&str> = messages
        .iter()
        .map(|message| header(message, "ce_sequence"))
        .collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
    let dead = &world.messages("smartcourse.dead.pair", 1).await[0];
    assert_eq!(
        (header(dead, "group"), header(dead, "ce_type")),
        ("pair", "poison")
    );
    assert!(header(dead, "reason").contains("cannot swallow this"));
}

/// The broker goes and comes back while events are written and read; members come and go; offsets are lost; everything is sent a
/// second time.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn outages_rebalances_lost_offsets_and_a_second_sending_change_nothing() {
    let mut world = World::start().await;
    let life = Lifecycle::default();
    let group = Group::new("steady");
    relay(world.log(), &life);
    group.follow(world.log(), &world.pool, &life);
    put_all(&world.pool, &KEYS, 0..50).await;
    world.server.stop().await.unwrap();
    put_all(&world.pool, &KEYS, 50..100).await;
    world.server.start_again().await.unwrap();
    let passing = Lifecycle::default();
    group.follow(world.log(), &world.pool, &passing);
    put_all(&world.pool, &KEYS, 100..130).await;
    group.reaches(&world.pool, "user-1", 0..130).await;
    passing.stop();
    put_all(&world.pool, &KEYS, 130..150).await;
    assert!(passing.finished().await);
    for key in KEYS {
        group.reaches(&world.pool, key, 0..150).await;
    }
    group.is_through(&*world.log()).await;
    life.stop();
    assert!(life.finished().await);

    let admin: AdminClient<DefaultClientContext> = world.client().create().unwrap();
    wait_for("the members to have left", async || -> anyhow::Result<_> {
        let deleted = admin
            .delete_groups(&["smartcourse.steady"], &AdminOptions::new())
            .await?;
        Ok(match &deleted[0] {
            Ok(_) => Ok(()),
            Err((_, code)) => Err(code.to_string()),
        })
    })
    .await
    .unwrap();
    sqlx::query("delete from platform.event_partitions")
        .execute(&world.pool)
        .await
        .unwrap();
    let life = Lifecycle::default();
    let late = Group::new("late");
    relay(world.log(), &life);
    for group in [&group, &late] {
        group.follow(world.log(), &world.pool, &life);
    }
    put(&world.pool, "thing", "user-1", 150).await;
    for group in [&group, &late] {
        group.reaches(&world.pool, "user-1", 0..151).await;
        group.is_through(&*world.log()).await;
        for key in KEYS.into_iter().filter(|key| *key != "user-1") {
            group.reaches(&world.pool, key, 0..150).await;
        }
    }
    for key in KEYS.into_iter().filter(|key| *key != "user-1") {
        assert_eq!(
            replayed(&world.history, "late", key).await,
            (0..150).collect::<Vec<_>>(),
            "{key}"
        );
    }
    life.stop();
    assert!(life.finished().await);
}

/// The table goes behind Kafka; what is parked of it then comes back, and positions go on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn the_table_goes_behind_it() {
    let world = World::start().await;
    let life = Lifecycle::default();
    let first = Group::new("first");
    first.mend();
    relay(world.log(), &life);
    first.follow(world.log(), &world.pool, &life);
    put(&world.pool, "poison", "user-1", 0).await;
    put_all(&world.pool, &KEYS, 1..20).await;
    for key in KEYS.into_iter().filter(|key| *key != "user-1") {
        first.reaches(&world.pool, key, 1..20).await;
    }
    first.is_through(&*world.log()).await;
    let left = async || -> i64 {
        sqlx::query_scalar("select count(*) from platform.events")
            .fetch_one(&world.pool)
            .await
            .unwrap()
    };
    let now = sqlx::types::time::OffsetDateTime::now_utc();
    assert_eq!(world.history.sweep(now, None).await.unwrap(), 0, "it is of today");
    let later = now + Duration::from_hours(25);
    assert_eq!(world.history.sweep(later, None).await.unwrap(), 96);
    assert_eq!(left().await, 0);

    let late = Group::new("late");
    late.follow(world.log(), &world.pool, &life);
    put_all(&world.pool, &KEYS, 20..30).await;
    for key in KEYS.into_iter().filter(|key| *key != "user-1") {
        first.reaches(&world.pool, key, 1..30).await;
        late.reaches(&world.pool, key, 1..30).await;
    }
    late.is_through(&*world.log()).await;
    world.history.sweep(later, None).await.unwrap();
    assert_eq!(left().await, 30, "the parked ones stay");
    late.mend();
    late.reaches(&world.pool, "user-1", 0..30).await;
    world.history.sweep(later, None).await.unwrap();
    assert_eq!(left().await, 0);
    assert_eq!(
        replayed(&world.history, "first", "user-1").await,
        (0..30).collect::<Vec<_>>()
    );
    life.stop();
    assert!(life.finished().await);
}

/// Other systems ask for enrollments by a topic of their own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn what_others_ask_for_joins_the_log_when_it_is_sound() {
    let world = World::start().await;
    let life = Lifecycle::default();
    let (log, ended) = (world.log(), life.clone());
    life.spawn("commands", async move { log.accept(ended).await });
    let producer: FutureProducer = world.client().create().unwrap();
    let ask = async |id: &str, event_type: &str, payload: &str| {
        let headers = [("ce_id", id), ("ce_source", "/hr"), ("ce_type", event_type)];
        let headers = headers
            .into_iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| {
                headers.insert(Header {
                    key,
                    value: Some(value),
                })
            });
        let record: FutureRecord<'_, (), str> = FutureRecord::to("smartcourse.commands")
            .payload(payload)
            .headers(headers);
        producer.send(record, Duration::from_secs(30)).await.unwrap();
    };
    let sound = json!({ "course_id": 7, "user_id": 9 }).to_string();
    ask("1", "enrollment.requested", &sound).await;
    ask("1", "enrollment.requested", &sound).await;
    ask("2", "course.published", &sound).await;
    ask("3", "enrollment.requested", "{").await;
    ask(
        "4",
        "enrollment.requested",
        r#"{"course_id": "seven", "user_id": 9}"#,
    )
    .await;
    ask("5", "enrollment.requested", r#"{"course_id": 7, "user_id": -1}"#).await;
    ask("", "enrollment.requested", &sound).await;
    let dead = world.messages("smartcourse.dead.commands", 5).await;
    let told: Vec<(&str, &str)> = dead
        .iter()
        .map(|message| (header(message, "ce_id"), header(message, "reason")))
        .collect();
    let expected = [
        ("2", "is no command"),
        ("3", "is no JSON"),
        ("4", "is no enrollment"),
        ("5", "more than 0"),
        ("", "is missing"),
    ];
    for ((id, reason), (wanted, part)) in told.iter().zip(expected) {
        assert!(*id == wanted && reason.contains(part), "{told:?}");
    }
    let asked: Vec<(String, Value)> = sqlx::query_as("select key, payload from platform.events")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    let payload = json!({ "course_id": 7, "user_id": 9 });
    assert_eq!(asked, [("user-9".to_owned(), payload)]);
    life.stop();
    assert!(life.finished().await);
}
