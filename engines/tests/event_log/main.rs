//! The event log against a real PostgreSQL: positions, order per key, one effect per group, parking.
//!
//! Every test has a database of its own. Times are moved in SQL and conditions are waited for with a deadline, so that
//! no test sleeps for its own sake.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod months;
mod parking;
mod waking;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use anyhow::Result;
use async_trait::async_trait;
use serde_json::json;
use smartcourse_engines::event_log::postgres::{PLACE_BATCH, Postgres, deliver_batch, place};
use smartcourse_platform::{
    Error,
    error::codes,
    events::{Consumer, Event},
    lifecycle::Lifecycle,
    outbox,
    ports::event_log::{EventHistory as _, EventLog as _},
    postgres,
};
use smartcourse_tests::{history, wait_for};
use sqlx::{PgConnection, PgPool};

/// A group that writes each event into `effects`, cannot take poison while it is broken, and says that this passes.
#[derive(Clone)]
struct Recorder {
    group: &'static str,
    broken: Arc<AtomicBool>,
    passing: Arc<AtomicBool>,
    refused: Arc<AtomicUsize>,
    batch: usize,
}

impl Recorder {
    fn new(group: &'static str) -> Self {
        let (broken, refused) = (Arc::new(AtomicBool::new(true)), Arc::default());
        Self {
            group,
            broken,
            passing: Arc::default(),
            refused,
            batch: 100,
        }
    }

    fn mend(&self) {
        self.broken.store(false, SeqCst);
    }
}

#[async_trait]
impl Consumer for Recorder {
    fn group(&self) -> &'static str {
        self.group
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type != "unwanted"
    }

    fn batch(&self) -> usize {
        self.batch
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> smartcourse_platform::Result<()> {
        // The effect comes first: a refusal has to take it back.
        sqlx::query("insert into effects (group_name, key, n) values ($1, $2, $3)")
            .bind(self.group)
            .bind(&event.key)
            .bind(event.payload["n"].as_i64())
            .execute(tx)
            .await?;
        if event.event_type == "poison" && self.broken.load(SeqCst) {
            self.refused.fetch_add(1, SeqCst);
            if self.passing.load(SeqCst) {
                return Err(Error::new(&codes::UNAVAILABLE, "somebody is away"));
            }
            return Err(Error::internal("cannot swallow this"));
        }
        Ok(())
    }
}

async fn database() -> PgPool {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    let effects = "create table effects (seq bigint generated always as identity, group_name text not null,
         key text not null, n bigint not null,
         constraint effects_once unique (group_name, key, n) deferrable initially deferred)";
    sqlx::query(effects).execute(&pool).await.unwrap();
    pool
}

async fn put(tx: &mut PgConnection, event_type: &str, key: &str, n: i64) {
    outbox::put_event(tx, event_type, key, &json!({ "n": n }))
        .await
        .unwrap();
}

/// Gives committed events their places; answers how many.
async fn placed(pool: &PgPool) -> i64 {
    place(pool).await.unwrap().count
}

/// Gives a group its next batch; answers how many events of the log it moved past.
async fn given(pool: &PgPool, group: &Recorder) -> i64 {
    deliver_batch(pool, group).await.unwrap().count
}

/// Gives a group its events until the end of the test.
fn deliver(log: &Arc<Postgres>, pool: &PgPool, group: Recorder, life: &Lifecycle) {
    let (log, pool, ended) = (Arc::clone(log), pool.clone(), life.clone());
    life.spawn("consumer", async move {
        log.deliver(pool, Arc::new(group), ended).await
    });
}

/// Commits an event and places it.
async fn publish(pool: &PgPool, event_type: &str, key: &str, n: i64) {
    let mut tx = postgres::begin(pool).await.unwrap();
    put(&mut tx, event_type, key, n).await;
    tx.commit().await.unwrap();
    assert_eq!(placed(pool).await, 1);
}

/// What a group did for a key, in the order it did it.
async fn effects(pool: &PgPool, group: &str, key: &str) -> Vec<i64> {
    let query = "select n from effects where group_name = $1 and key = $2 order by seq";
    sqlx::query_scalar(query)
        .bind(group)
        .bind(key)
        .fetch_all(pool)
        .await
        .unwrap()
}

/// Waits until a group has done this for a key, and nothing else.
async fn reached(pool: &PgPool, group: &str, key: &str, expected: &[i64]) {
    wait_for("the effects", async || -> Result<_> {
        let seen = effects(pool, group, key).await;
        Ok(if seen == expected {
            Ok(())
        } else {
            Err(format!("{group}: {seen:?}"))
        })
    })
    .await
    .unwrap();
}

async fn position(pool: &PgPool, group: &str) -> Option<i64> {
    let query = "select position from platform.event_groups where name = $1";
    sqlx::query_scalar(query)
        .bind(group)
        .fetch_optional(pool)
        .await
        .unwrap()
}

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn only_committed_events_get_positions_and_late_commits_are_not_skipped() {
    let pool = database().await;
    let group = Recorder::new("late");
    let mut early = postgres::begin(&pool).await.unwrap();
    put(&mut early, "thing", "a", 1).await;
    assert_eq!(placed(&pool).await, 0);
    publish(&pool, "thing", "b", 2).await;
    assert_eq!(given(&pool, &group).await, 1);
    assert_eq!(effects(&pool, "late", "b").await, [2]);

    early.commit().await.unwrap();
    assert_eq!(placed(&pool).await, 1);
    assert_eq!(given(&pool, &group).await, 1);
    assert_eq!(effects(&pool, "late", "a").await, [1]);
    assert_eq!(position(&pool, "late").await, Some(2));
    // Nothing is left, and what has a position keeps it.
    assert_eq!(placed(&pool).await, 0);
    let places = "select array_agg(position order by seq) = '{2,1}' from platform.events";
    assert!(
        sqlx::query_scalar::<_, bool>(places)
            .fetch_one(&pool)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_long_log_is_placed_and_read_in_batches_without_gaps() {
    let pool = database().await;
    let total = PLACE_BATCH + 1;
    let fill = "insert into platform.events (id, type, key, payload)
         select gen_random_uuid(), case when i % 5 = 0 then 'unwanted' else 'thing' end, 'k', jsonb_build_object('n', i)
         from generate_series(1, $1) i";
    sqlx::query(fill).bind(total).execute(&pool).await.unwrap();
    assert_eq!(placed(&pool).await, PLACE_BATCH);
    assert_eq!(placed(&pool).await, 1);
    assert_eq!(
        count(&pool, "select count(distinct position) from platform.events").await,
        total
    );
    assert_eq!(
        count(&pool, "select max(position) from platform.events").await,
        total
    );

    let group = Recorder::new("batches");
    while given(&pool, &group).await > 0 {}
    let wanted: Vec<i64> = (1..=total).filter(|n| n % 5 != 0).collect();
    assert_eq!(effects(&pool, "batches", "k").await, wanted);
    assert_eq!(position(&pool, "batches").await, Some(total));
    // A new group reads from the start.
    assert!(given(&pool, &Recorder::new("newcomer")).await > 0);
}

#[tokio::test]
async fn two_sequencers_and_two_consumers_give_each_event_once_in_order_per_key() {
    const KEYS: [&str; 4] = ["a", "b", "c", "d"];
    const EACH: i64 = 40;
    let pool = database().await;
    let life = Lifecycle::default();
    for _ in 0..2 {
        let (sequencer, stop) = (pool.clone(), life.clone());
        life.spawn("sequencer", async move {
            while !stop.token().is_cancelled() {
                place(&sequencer).await?;
            }
            Ok::<_, Error>(())
        });
        let log = Postgres::new(pool.clone(), pool.clone(), Duration::from_millis(5));
        deliver(&Arc::new(log), &pool, Recorder::new("pair"), &life);
    }
    // One writer per key: the lock of the aggregate stands in for that in production.
    let writers = KEYS.map(|key| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for n in 0..EACH {
                let mut tx = postgres::begin(&pool).await.unwrap();
                put(&mut tx, "thing", key, n).await;
                tx.commit().await.unwrap();
            }
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    wait_for("all effects", async || -> Result<_> {
        let done = count(&pool, "select count(*) from effects").await;
        Ok(if done >= EACH * 4 {
            Ok(())
        } else {
            Err(done.to_string())
        })
    })
    .await
    .unwrap();
    assert!(!life.token().is_cancelled(), "a task failed");
    life.stop();
    assert!(life.finished().await);
    for key in KEYS {
        assert_eq!(
            effects(&pool, "pair", key).await,
            (0..EACH).collect::<Vec<_>>(),
            "key {key}"
        );
    }
    assert_eq!(position(&pool, "pair").await, Some(EACH * 4));
    assert_eq!(
        count(&pool, "select count(*) from platform.parked_events").await,
        0
    );
}

#[tokio::test]
async fn an_event_read_twice_has_one_effect_per_group() {
    let pool = database().await;
    let (first, second) = (Recorder::new("first"), Recorder::new("second"));
    publish(&pool, "thing", "a", 1).await;
    for group in [&first, &second] {
        assert_eq!(given(&pool, group).await, 1);
    }
    sqlx::query("update platform.event_groups set position = 0 where name = 'first'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(given(&pool, &first).await, 1);
    assert_eq!(effects(&pool, "first", "a").await, [1]);
    assert_eq!(effects(&pool, "second", "a").await, [1]);
    assert_eq!(count(&pool, "select count(*) from platform.inbox").await, 2);
}

#[tokio::test]
async fn a_batch_that_cannot_commit_leaves_no_effect_and_no_position() {
    let pool = database().await;
    let group = Recorder::new("commit");
    // The deferred constraint of `effects` speaks at the commit only.
    let seed = "insert into effects (group_name, key, n) values ('commit', 'a', 2)";
    sqlx::query(seed).execute(&pool).await.unwrap();
    publish(&pool, "thing", "a", 1).await;
    publish(&pool, "thing", "a", 2).await;
    let error = deliver_batch(&pool, &group).await.unwrap_err();
    assert!(error.chain().contains("effects_once"), "{}", error.chain());
    assert_eq!(effects(&pool, "commit", "a").await, [2]);
    assert_eq!(position(&pool, "commit").await.unwrap_or(0), 0);
    assert_eq!(count(&pool, "select count(*) from platform.inbox").await, 0);
    assert_eq!(
        count(&pool, "select count(*) from platform.parked_events").await,
        0
    );

    sqlx::query("delete from effects").execute(&pool).await.unwrap();
    assert_eq!(given(&pool, &group).await, 2);
    assert_eq!(effects(&pool, "commit", "a").await, [1, 2]);
}

#[tokio::test]
async fn a_group_is_given_again_what_it_took_and_knows_what_it_has_not() {
    let pool = database().await;
    let log = Postgres::new(pool.clone(), pool.clone(), Duration::from_secs(1));
    let group = Recorder::new("again");
    for (event_type, n) in [("thing", 1), ("unwanted", 2), ("poison", 3), ("thing", 4)] {
        publish(&pool, event_type, &n.to_string(), n).await;
    }
    let lag = async || log.lags().await.unwrap().first().map(|lag| lag.events);
    assert_eq!(lag().await, None, "nobody has heard of it");
    given(&pool, &group).await;
    assert_eq!(lag().await, Some(0));
    publish(&pool, "thing", "5", 5).await;
    assert_eq!(lag().await, Some(1));

    let (history, _files) = history(&pool).unwrap();
    let mut replay = history.replay("again");
    let mut next = async |limit| -> Vec<i64> {
        let events = replay.next(limit).await.unwrap();
        events.iter().map(|event| event.position).collect()
    };
    assert_eq!(next(3).await, [1, 2, 3], "wanted or not, and parked");
    assert_eq!(next(3).await, [4], "and not what comes after");
    let mut tx = postgres::begin(&pool).await.unwrap();
    smartcourse_platform::events::hold_group(&mut tx, "again")
        .await
        .unwrap();
    assert_eq!(given(&pool, &group).await, 0, "the group is held");
    tx.commit().await.unwrap();
    assert_eq!(given(&pool, &group).await, 1);
    assert_eq!(next(3).await, [5]);
}
