//! The log in Kafka when what it rests on is not as it was.

use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier},
    client::DefaultClientContext,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
};
use serde_json::json;
use smartcourse_platform::{lifecycle::Lifecycle, outbox, postgres};
use smartcourse_tests::wait_for;

use super::{
    event_log::{Group, KEYS, put, put_all, relay},
    kafka::World,
};

/// What a database has of the log, as at a moment.
const TABLES: [&str; 6] = [
    "platform.events",
    "platform.event_partitions",
    "platform.event_groups",
    "platform.group_partitions",
    "platform.inbox",
    "public.effects",
];

/// A database that is of an earlier day than Kafka is given what came after it, and nothing gets a place that was taken.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn a_database_that_was_restored_goes_on_behind_what_kafka_has() {
    let world = World::start().await;
    let group = Group::new("steady");
    let begin = || {
        let life = Lifecycle::default();
        relay(world.log(), &life);
        group.follow(world.log(), &world.pool, &life);
        life
    };
    let end = async |life: Lifecycle| {
        life.stop();
        assert!(life.finished().await);
    };
    let run = async |statement: String| {
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .execute(&world.pool)
            .await
            .unwrap();
    };
    let before = |key| (0..40).filter(move |n| *n != 20 || key == "user-1");
    let life = begin();
    put_all(&world.pool, &KEYS, 0..20).await;
    for key in KEYS {
        group.reaches(&world.pool, key, 0..20).await;
    }
    end(life).await;
    // Nobody has placed this one.
    put(&world.pool, "thing", "user-1", 20).await;
    run("create schema backup".to_owned()).await;
    for table in TABLES {
        let (_, name) = table.split_once('.').unwrap();
        run(format!("create table backup.{name} as table {table}")).await;
    }
    let life = begin();
    put_all(&world.pool, &KEYS, 21..40).await;
    for key in KEYS {
        group.reaches(&world.pool, key, before(key)).await;
    }
    end(life).await;
    for table in TABLES {
        let (_, name) = table.split_once('.').unwrap();
        run(format!("truncate {table} cascade")).await;
        run(format!(
            "insert into {table} overriding system value table backup.{name}"
        ))
        .await;
    }

    let life = begin();
    put_all(&world.pool, &KEYS, 100..110).await;
    for key in KEYS {
        group.reaches(&world.pool, key, before(key).chain(100..110)).await;
    }
    group.is_through(&*world.log()).await;
    let late = Group::new("late");
    late.follow(world.log(), &world.pool, &life);
    late.reaches(&world.pool, "course-1", before("course-1").chain(100..110))
        .await;
    end(life).await;
}

/// An event the brokers refuse is waited for: none of those behind it goes before it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn what_is_refused_is_not_overtaken() {
    let world = World::start().await;
    let admin: AdminClient<DefaultClientContext> = world.client().create().unwrap();
    let limit = async |bytes: &str| {
        let topic = ResourceSpecifier::Topic("smartcourse.user");
        let limit = AlterConfig::new(topic).set("max.message.bytes", bytes);
        admin.alter_configs([&limit], &AdminOptions::new()).await.unwrap();
    };
    limit("2000").await;
    let life = Lifecycle::default();
    let group = Group::new("steady");
    relay(world.log(), &life);
    group.follow(world.log(), &world.pool, &life);
    put(&world.pool, "thing", "user-1", 0).await;
    group.reaches(&world.pool, "user-1", 0..1).await;
    let mut tx = postgres::begin(&world.pool).await.unwrap();
    // Its text does not get smaller on its way.
    let noise: String = (0..40_000).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    let payload = json!({ "n": 1, "noise": noise });
    outbox::put_event(&mut tx, "thing", "user-1", &payload)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    put_all(&world.pool, &KEYS, 2..30).await;
    let refused = async || -> anyhow::Result<_> {
        let placed: i64 =
            sqlx::query_scalar("select count(*) from platform.events where position is not null")
                .fetch_one(&world.pool)
                .await?;
        Ok(if placed == 142 {
            Ok(())
        } else {
            Err(placed.to_string())
        })
    };
    wait_for("the events to be placed", refused).await.unwrap();
    let log = world.log();
    wait_for("the brokers to refuse one", async || -> anyhow::Result<_> {
        // Only one sends at a time.
        Ok(log
            .publish()
            .await
            .map_or_else(|_| Ok(()), |moved| Err(format!("{moved:?}"))))
    })
    .await
    .unwrap();
    group.reaches(&world.pool, "user-1", 0..1).await;
    limit("16777216").await;
    group.reaches(&world.pool, "user-1", 0..30).await;
    for key in KEYS.into_iter().filter(|key| *key != "user-1") {
        group.reaches(&world.pool, key, 2..30).await;
    }
    life.stop();
    assert!(life.finished().await);
}

/// Topics that were lost are made again, and given what the table has.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "installs and starts a server"]
async fn what_a_lost_topic_had_is_sent_again() {
    let world = World::start().await;
    let group = Group::new("steady");
    let life = Lifecycle::default();
    relay(world.log(), &life);
    group.follow(world.log(), &world.pool, &life);
    put_all(&world.pool, &KEYS, 0..20).await;
    for key in KEYS {
        group.reaches(&world.pool, key, 0..20).await;
    }
    life.stop();
    assert!(life.finished().await);

    put_all(&world.pool, &KEYS, 20..40).await;
    let log = world.log();
    wait_for("the events to be sent", async || {
        let moved = log.publish().await?;
        let lags = log.lags().await?;
        let behind: Vec<_> = lags.iter().map(|lag| (lag.group.as_str(), lag.events)).collect();
        Ok(match moved.count == 0 && behind == [("steady", 100)] {
            true => Ok(()),
            false => Err(format!("{moved:?} {lags:?}")),
        })
    })
    .await
    .unwrap();
    let lost = ["smartcourse.user", "smartcourse.course"];
    let admin: AdminClient<DefaultClientContext> = world.client().create().unwrap();
    let deleted = admin.delete_topics(&lost, &AdminOptions::new());
    assert!(deleted.await.unwrap().iter().all(Result::is_ok));
    world.log().prepare().await.unwrap();
    // Brokers forget what a group had of a topic some time after the topic.
    let broker: BaseConsumer = world
        .client()
        .set("group.id", "smartcourse.steady")
        .create()
        .unwrap();
    for topic in lost {
        let metadata = broker
            .fetch_metadata(Some(topic), Duration::from_secs(30))
            .unwrap();
        let mut remembered = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            remembered
                .add_partition_offset(topic, partition.id(), Offset::Offset(10))
                .unwrap();
        }
        broker.commit(&remembered, CommitMode::Sync).unwrap();
    }
    for statement in [
        "delete from platform.event_partitions",
        "update platform.group_partitions set next_offset = null",
    ] {
        sqlx::query(statement).execute(&world.pool).await.unwrap();
    }

    let life = Lifecycle::default();
    relay(world.log(), &life);
    group.follow(world.log(), &world.pool, &life);
    put_all(&world.pool, &KEYS, 40..50).await;
    for key in KEYS {
        group.reaches(&world.pool, key, 0..50).await;
    }
    life.stop();
    assert!(life.finished().await);
}
