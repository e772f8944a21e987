//! Task dispatch on a RabbitMQ that is stopped, purged and frozen meanwhile.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lapin::{
    Channel, Connection, ConnectionProperties, Queue,
    message::BasicGetMessage,
    options::*,
    types::{AMQPValue, FieldTable},
};
use serde_json::json;
use smartcourse_engines::{self as engines, Engines, servers, task_dispatch::rabbitmq::RabbitMq};
use smartcourse_platform::{
    config::Config, error::codes, lifecycle::Lifecycle, ports::task_dispatch::TaskDispatch,
};
use smartcourse_tests::{ServerKind, TestServer, wait_for};
use sqlx::{ConnectOptions as _, PgPool};

use super::{
    database,
    faults::{SPELL, each_fault},
    task_dispatch::{PLACES, Scene, prepare, task_dispatch_contract},
};

const QUEUE: &str = "smartcourse.tasks.a";
const DEAD: &str = "smartcourse.tasks.dead";
/// Longer than any call may take.
const BOUND: Duration = Duration::from_secs(40);

async fn server() -> TestServer {
    TestServer::start(ServerKind::RabbitMq).await.unwrap()
}

fn dispatch(url: &str) -> impl Fn(PgPool) -> Arc<dyn TaskDispatch> + use<> {
    dispatch_by(url, "smartcourse.tasks")
}

fn dispatch_by(url: &str, exchange: &str) -> impl Fn(PgPool) -> Arc<dyn TaskDispatch> + use<> {
    let settings = servers::rabbitmq::Settings {
        url: url.into(),
        exchange: exchange.to_owned(),
    };
    let server = servers::rabbitmq::RabbitMq::open(&settings).unwrap();
    move |pool| Arc::new(RabbitMq::new(pool, server.clone(), PLACES))
}

/// A connection of the test.
async fn channel(server: &TestServer) -> (Connection, Channel) {
    let url = server.variable("AMQP_URL");
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

/// Waits until so many messages in a queue were delivered to nobody.
async fn ready(channel: &Channel, queue: &str, expected: u32) {
    wait_for("messages", async || -> anyhow::Result<_> {
        let passive = QueueDeclareOptions::durable().passive();
        let found: Queue = channel
            .queue_declare(queue.into(), passive, FieldTable::default())
            .await?;
        let count = found.message_count();
        Ok(if count == expected {
            Ok(())
        } else {
            Err(format!("{count} of {expected}"))
        })
    })
    .await
    .unwrap();
}

async fn get(channel: &Channel, queue: &str) -> BasicGetMessage {
    wait_for("a message", async || -> anyhow::Result<_> {
        let got = channel
            .basic_get(queue.into(), BasicGetOptions::default())
            .await?;
        Ok(got.ok_or_else(|| "none".to_owned()))
    })
    .await
    .unwrap()
}

async fn end(lives: impl IntoIterator<Item = Lifecycle>) {
    for life in lives {
        life.stop();
        assert!(life.finished().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn task_dispatch_over_rabbitmq() {
    let (server, pool) = (server().await, database().await);
    let dispatch = dispatch(server.variable("AMQP_URL"));
    task_dispatch_contract(&Scene::new(&pool, &dispatch)).await;
}

/// The engines make what is needed, again without harm, and say what they found.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn rabbitmq_is_prepared_and_looked_at() {
    let (mut server, pool) = (server().await, database().await);
    let files = tempfile::tempdir().unwrap();
    let url = pool.connect_options().to_url_lossy().to_string();
    let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let config = Config::load(
        engines::CONFIG,
        None,
        &[
            named("AMQP_URL", server.variable("AMQP_URL")),
            named("DATABASE_URL", &url),
            named(
                "SMARTCOURSE_CONTENT__FILES_DIR",
                &files.path().display().to_string(),
            ),
        ],
    )
    .unwrap();
    let engines = Engines::open(&config).unwrap();
    engines.prepare().await.unwrap();
    engines.prepare().await.unwrap();
    let (_connection, channel) = channel(&server).await;
    ready(&channel, DEAD, 0).await;
    assert!(engines.task_dispatch().channel().is_some(), "ids are offered");
    let found = engines.look().await;
    assert_eq!(found.len(), 1);
    let version = found[0].outcome.as_ref().unwrap();
    assert!(
        version.starts_with(|first: char| first.is_ascii_digit()),
        "{version}"
    );
    server.stop().await.unwrap();
    let found = engines.look().await;
    let error = found[0].outcome.as_ref().unwrap_err();
    assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
}

/// What is purged, deleted or taken by somebody who loses it is offered again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn a_queue_that_was_purged_is_filled_again() {
    let (server, pool) = (server().await, database().await);
    let dispatch = dispatch(server.variable("AMQP_URL"));
    let scene = Scene::new(&pool, &dispatch);
    prepare(&pool).await;
    let relay = scene.relay();
    scene.put_many(700).await;
    let (_connection, channel) = channel(&server).await;
    wait_for("the queue", async || -> anyhow::Result<_> {
        let query = "select count(offered_at) from platform.tasks";
        let offered: i64 = sqlx::query_scalar(query).fetch_one(&pool).await?;
        Ok(if offered == 700 {
            Ok(())
        } else {
            Err(offered.to_string())
        })
    })
    .await
    .unwrap();
    ready(&channel, QUEUE, 700).await;
    let purged = channel
        .queue_purge(QUEUE.into(), QueuePurgeOptions::default())
        .await
        .unwrap();
    assert_eq!(purged, 700);
    ready(&channel, QUEUE, 700).await;
    channel
        .queue_delete(QUEUE.into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    let tasks = scene.tasks();
    scene.all_done_once(700).await;
    // Under the feet of those who consume it.
    channel
        .queue_delete(QUEUE.into(), QueueDeleteOptions::default())
        .await
        .unwrap();
    scene.put_many(10).await;
    scene.all_done_once(710).await;
    end([relay, tasks]).await;
}

/// Messages that are delivered in vain, or cannot be read, are laid aside; the task is done all the same.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn what_comes_back_too_often_is_laid_aside() {
    let (server, pool) = (server().await, database().await);
    let dispatch = dispatch(server.variable("AMQP_URL"));
    let scene = Scene::new(&pool, &dispatch);
    prepare(&pool).await;
    let first = scene.put_many(1).await;
    scene.dispatch().offer().await.unwrap();
    let (_connection, channel) = channel(&server).await;
    for delivered in 0..=20 {
        let message = get(&channel, QUEUE).await;
        assert_eq!(message.delivery.data, first[0].to_string().as_bytes());
        let kind = message.delivery.properties.kind().as_ref();
        assert_eq!(kind.map(|kind| kind.as_str()), Some("a"));
        let requeue = BasicNackOptions {
            requeue: true,
            ..BasicNackOptions::default()
        };
        assert!(message.delivery.nack(requeue).await.unwrap(), "{delivered}");
    }
    ready(&channel, DEAD, 1).await;
    let aside = get(&channel, DEAD).await;
    assert_eq!(aside.delivery.data, first[0].to_string().as_bytes());
    let why = aside.delivery.properties.headers().as_ref().unwrap();
    let why = why.inner().get("x-first-death-reason");
    assert_eq!(why, Some(&AMQPValue::LongString("delivery_limit".into())));

    let lives = [scene.relay(), scene.tasks()];
    channel
        .basic_publish(
            "smartcourse.tasks".into(),
            "a".into(),
            BasicPublishOptions::default(),
            b"what is this",
            Default::default(),
        )
        .await
        .unwrap();
    ready(&channel, DEAD, 1).await;
    scene.all_done_once(1).await;
    end(lives).await;
}

/// Stopped, started and frozen in the middle: every task is done once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn a_server_that_goes_loses_and_doubles_nothing() {
    let (mut server, pool) = (server().await, database().await);
    let dispatch = dispatch(server.variable("AMQP_URL"));
    let scene = Scene::new(&pool, &dispatch);
    prepare(&pool).await;
    let lives = [scene.relay(), scene.relay(), scene.tasks(), scene.tasks()];
    scene.put_many(1).await;
    scene.done(1).await;
    scene.put_many(800).await;
    wait_for("some", async || -> anyhow::Result<_> {
        let query = "select count(*) from done";
        let done: i64 = sqlx::query_scalar(query).fetch_one(&pool).await?;
        Ok(if done > 100 { Ok(()) } else { Err(done.to_string()) })
    })
    .await
    .unwrap();
    server.stop().await.unwrap();
    scene.put_many(50).await;
    server.start_again().await.unwrap();
    scene.all_done_once(851).await;

    // Calls end though nothing answers, and go on when something does.
    let (dispatch, life) = (scene.dispatch(), Lifecycle::default());
    let connected = scene.put("b", [json!({})]).await;
    assert_eq!(scene.next(&*dispatch, &[("b", 1)], &life).await, connected);
    sqlx::query("delete from platform.tasks where kind = 'b'")
        .execute(&pool)
        .await
        .unwrap();
    dispatch.acknowledge(connected[0]).await.unwrap();
    let told = dispatch.next(&[("b", 1)], &life);
    let frozen = async {
        server.freeze();
        scene.put("b", [json!({})]).await;
        scene.put_many(50).await;
        let offer = tokio::time::timeout(BOUND, scene.dispatch().offer()).await;
        offer.expect("in time").unwrap_err()
    };
    let (told, refused) = tokio::join!(tokio::time::timeout(BOUND, told), frozen);
    for error in [refused, told.expect("in time").unwrap_err()] {
        assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
    }
    server.thaw();
    assert_eq!(scene.next(&*dispatch, &[("b", 1)], &life).await.len(), 1);
    scene.done(901).await;
    end(lives).await;
}

/// By bad ways every call ends in time, and every task is done once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn tasks_by_bad_ways() {
    let server = server().await;
    each_fault(server.variable("AMQP_URL"), async |spell| {
        let pool = database().await;
        let exchange = format!("smartcourse.tasks.{}", spell.number);
        let dispatch = dispatch_by(&spell.url, &exchange);
        let scene = Scene::new(&pool, &dispatch);
        prepare(&pool).await;
        let (lives, offering) = ([scene.relay(), scene.tasks()], scene.dispatch());
        scene.put_many(1).await;
        scene.done(1).await;
        scene.put_many(200).await;
        let (begun, mut count) = (Instant::now(), 201);
        spell.begin();
        while begun.elapsed() < SPELL {
            count += scene.put_many(5).await.len();
            spell.answer(BOUND, offering.offer()).await;
        }
        spell.end();
        count += scene.put_many(5).await.len();
        scene.all_done_once(count).await;
        end(lives).await;
    })
    .await;
}

/// A server without room takes nothing: whoever offers is told so in time, and at once when it is known; when there is room again
/// every task is done once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn a_server_whose_disk_is_full_is_waited_for() {
    let (mut server, pool) = (server().await, database().await);
    let dispatch = dispatch(server.variable("AMQP_URL"));
    let scene = Scene::new(&pool, &dispatch);
    prepare(&pool).await;
    server.stop().await.unwrap();
    // A file of settings the launcher names so that there is none; it wins over the others.
    let settings = server.home().join("rabbitmq/none.config");
    std::fs::write(&settings, "[{rabbit, [{disk_free_limit, 1000000000000000}]}].").unwrap();
    server.start_again().await.unwrap();
    scene.put_many(20).await;
    let offering = scene.dispatch();
    for is_known in [false, true, true] {
        let asked = Instant::now();
        let offered = tokio::time::timeout(BOUND, offering.offer()).await;
        let error = offered.expect("in time").unwrap_err();
        assert!(error.is(&codes::UNAVAILABLE), "{}", error.chain());
        assert!(
            !is_known || asked.elapsed() < Duration::from_secs(1),
            "{:?}",
            asked.elapsed()
        );
    }
    let lives = [scene.relay(), scene.tasks()];
    scene.put_many(20).await;
    std::fs::remove_file(settings).unwrap();
    server.stop().await.unwrap();
    server.start_again().await.unwrap();
    scene.all_done_once(40).await;
    end(lives).await;
}
