//! What every event log holds.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use smartcourse_platform::{
    Error,
    events::{Consumer, Event},
    lifecycle::Lifecycle,
    outbox,
    ports::event_log::{EventHistory, EventLog},
    postgres,
};
use smartcourse_tests::wait_for;
use sqlx::{PgConnection, PgPool};

/// Keys of every kind, and one that nobody would choose.
pub(crate) const KEYS: [&str; 5] = [
    "course-1",
    "user-1",
    "enrollment-1",
    "enrollment-2",
    "schlüssel 🔑",
];

/// A database with a table of effects: none comes twice.
pub(crate) async fn database() -> PgPool {
    let pool = super::database().await;
    let effects = "create table effects (seq bigint generated always as identity, group_name text not null,
         key text not null, n bigint not null, primary key (group_name, key, n))";
    sqlx::query(effects).execute(&pool).await.unwrap();
    pool
}

/// A group that writes each event into `effects`, but for poison while it is not mended.
#[derive(Clone)]
pub(crate) struct Group {
    name: &'static str,
    mended: Arc<AtomicBool>,
}

impl Group {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            mended: Arc::default(),
        }
    }

    /// It takes poison from now on.
    pub(crate) fn mend(&self) {
        self.mended.store(true, SeqCst);
    }

    /// Gives it its events until the end of this life.
    pub(crate) fn follow(&self, log: Arc<dyn EventLog>, pool: &PgPool, life: &Lifecycle) {
        let (group, pool, ended) = (Arc::new(self.clone()), pool.clone(), life.clone());
        life.spawn(self.name, async move { log.deliver(pool, group, ended).await });
    }

    /// What it did for a key, in the order it did it.
    pub(crate) async fn effects(&self, pool: &PgPool, key: &str) -> Vec<i64> {
        sqlx::query_scalar("select n from effects where group_name = $1 and key = $2 order by seq")
            .bind(self.name)
            .bind(key)
            .fetch_all(pool)
            .await
            .unwrap()
    }

    /// Waits until it has done just this for a key.
    pub(crate) async fn reaches(&self, pool: &PgPool, key: &str, expected: impl Iterator<Item = i64>) {
        let expected: Vec<i64> = expected.collect();
        wait_for("the effects", async || -> anyhow::Result<_> {
            let seen = self.effects(pool, key).await;
            Ok(if seen == expected {
                Ok(())
            } else {
                Err(format!("{} for {key}: {seen:?}", self.name))
            })
        })
        .await
        .unwrap();
    }

    /// Waits until it was given everything.
    pub(crate) async fn is_through(&self, log: &dyn EventLog) {
        wait_for("the group to be through", async || -> anyhow::Result<_> {
            let lags = log.lags().await?;
            let through = lags.iter().any(|lag| lag.group == self.name && lag.events == 0);
            Ok(if through { Ok(()) } else { Err(format!("{lags:?}")) })
        })
        .await
        .unwrap();
    }
}

#[async_trait]
impl Consumer for Group {
    fn group(&self) -> &'static str {
        self.name
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type != "unwanted"
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> smartcourse_platform::Result<()> {
        sqlx::query("insert into effects (group_name, key, n) values ($1, $2, $3)")
            .bind(self.name)
            .bind(&event.key)
            .bind(event.payload["n"].as_i64())
            .execute(tx)
            .await?;
        if event.event_type == "poison" && !self.mended.load(SeqCst) {
            return Err(Error::internal("cannot swallow this"));
        }
        Ok(())
    }
}

/// Commits an event.
pub(crate) async fn put(pool: &PgPool, event_type: &str, key: &str, n: i64) {
    let mut tx = postgres::begin(pool).await.unwrap();
    outbox::put_event(
        &mut tx,
        event_type,
        key,
        &json!({ "n": n, "odd": "\u{0}\"\\ 🦀".replace('\u{0}', "") }),
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// Commits events for each of these keys at once, in the order of their numbers: the lock of the aggregate sees to that in
/// production.
pub(crate) async fn put_all(pool: &PgPool, keys: &[&'static str], numbers: std::ops::Range<i64>) {
    let writers = keys.iter().map(|key| {
        let (pool, key, numbers) = (pool.clone(), *key, numbers.clone());
        tokio::spawn(async move {
            for n in numbers {
                put(&pool, "thing", key, n).await;
            }
        })
    });
    for writer in futures::future::join_all(writers).await {
        writer.unwrap();
    }
}

/// Takes over from the outbox, until the end of this life.
pub(crate) fn relay(log: Arc<dyn EventLog>, life: &Lifecycle) {
    let ended = life.clone();
    life.spawn("relay", async move {
        while !ended.token().is_cancelled() {
            // A server that is away is waited for.
            if !log.publish().await.is_ok_and(|moved| moved.more) {
                ended.sleep(Duration::from_millis(5)).await;
            }
        }
        Ok::<_, Error>(())
    });
}

async fn end(life: &Lifecycle) {
    assert!(!life.token().is_cancelled(), "a task failed");
    life.stop();
    assert!(life.finished().await);
}

/// What a group was given, by key.
pub(crate) async fn replayed(history: &dyn EventHistory, group: &'static str, key: &str) -> Vec<i64> {
    let mut replay = history.replay(group);
    let (mut numbers, mut ids) = (Vec::new(), HashSet::new());
    loop {
        let events = replay.next(700).await.unwrap();
        for event in &events {
            assert!(ids.insert(event.id), "{event:?} comes twice");
            if event.key == key {
                numbers.push(event.payload["n"].as_i64().unwrap());
            }
        }
        if events.len() < 700 {
            return numbers;
        }
    }
}

/// Each call of `log` is another process.
pub(crate) async fn event_log_contract(
    pool: &PgPool,
    log: impl Fn() -> Arc<dyn EventLog>,
    history: &dyn EventHistory,
) {
    let life = Lifecycle::default();
    let pair = Group::new("pair");
    for _ in 0..2 {
        relay(log(), &life);
        pair.follow(log(), pool, &life);
    }
    put_all(pool, &KEYS, 0..40).await;
    for key in KEYS {
        pair.reaches(pool, key, 0..40).await;
    }
    pair.is_through(&*log()).await;

    // Of poison only its key waits, until the group can take it.
    put(pool, "poison", "user-1", 40).await;
    put(pool, "unwanted", "user-1", 41).await;
    put_all(pool, &KEYS, 42..60).await;
    for key in KEYS.into_iter().filter(|key| *key != "user-1") {
        pair.reaches(pool, key, (0..40).chain(42..60)).await;
    }
    pair.is_through(&*log()).await;
    assert_eq!(pair.effects(pool, "user-1").await, (0..40).collect::<Vec<_>>());
    pair.mend();
    sqlx::query("update platform.parked_events set next_try_at = now() where next_try_at is not null")
        .execute(pool)
        .await
        .unwrap();
    pair.reaches(pool, "user-1", (0..41).chain(42..60)).await;

    // A thousand writers at once, and more than a batch in one transaction.
    let writers = (0..1000).map(|n| put(pool, "thing", "course-1", 1000 + n));
    futures::future::join_all(writers).await;
    let mut tx = postgres::begin(pool).await.unwrap();
    let many: Vec<outbox::NewEvent> = (60..1260)
        .map(|n| outbox::NewEvent::new("thing", "enrollment-1".to_owned(), &json!({ "n": n })).unwrap())
        .collect();
    outbox::put_events(&mut tx, &many).await.unwrap();
    tx.commit().await.unwrap();
    pair.reaches(pool, "enrollment-1", (0..40).chain(42..1260)).await;
    pair.is_through(&*log()).await;
    let mut all = pair.effects(pool, "course-1").await;
    all.sort_unstable();
    assert_eq!(all, (0..40).chain(42..60).chain(1000..2000).collect::<Vec<_>>());

    // Whoever comes later is given everything from the start, and once more when it asks for it.
    let late = Group::new("late");
    late.mend();
    late.follow(log(), pool, &life);
    for key in ["user-1", "enrollment-1"] {
        late.reaches(pool, key, pair.effects(pool, key).await.into_iter())
            .await;
    }
    late.is_through(&*log()).await;
    for key in KEYS {
        let mut given = pair.effects(pool, key).await;
        let mut again = replayed(history, "pair", key).await;
        // The wanted ones: of the others there is one.
        again.retain(|n| *n != 41 || key != "user-1");
        if key == "course-1" {
            given.sort_unstable();
            again.sort_unstable();
        }
        assert_eq!(again, given, "{key}");
    }
    end(&life).await;
}
