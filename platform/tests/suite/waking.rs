//! Who writes while the relay is awake does not notify it, and is found all the same: without any poll.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::json;
use smartcourse_platform::{
    lifecycle::Lifecycle,
    outbox::{
        self,
        relay::{self, Carriers},
    },
    postgres,
};
use smartcourse_tests::{
    engines::{event_log, task_dispatch},
    no_temporal, wait_for,
};
use sqlx::{PgConnection, PgPool};

/// So long that a test which depended on it would run out of time.
const NEVER: Duration = Duration::from_secs(3600);

async fn database() -> PgPool {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    pool
}

/// A relay until its life ends; there is no Temporal, and nobody asks for it.
fn relay(pool: &PgPool) -> Lifecycle {
    let life = Lifecycle::default();
    let carriers = Carriers {
        workflows: no_temporal().unwrap(),
        log: Arc::new(event_log::postgres::Postgres::new(
            pool.clone(),
            pool.clone(),
            NEVER,
        )),
        tasks: Arc::new(task_dispatch::postgres::Postgres::new(
            pool.clone(),
            pool.clone(),
            NEVER,
        )),
    };
    life.spawn("relay", relay::run(pool.clone(), carriers, NEVER, life.clone()));
    life
}

async fn put(tx: &mut PgConnection) {
    outbox::put_event(tx, "thing", "a", &json!({})).await.unwrap();
}

async fn count(pool: &PgPool, what: &str, query: &'static str, expected: i64) {
    wait_for(what, async || -> Result<_> {
        let found: i64 = sqlx::query_scalar(query).fetch_one(pool).await?;
        Ok(if found == expected {
            Ok(())
        } else {
            Err(format!("{found} of {expected}"))
        })
    })
    .await
    .unwrap();
}

async fn placed(pool: &PgPool, expected: i64) {
    let placed = "select count(position) from platform.events";
    count(pool, "the events to be placed", placed, expected).await;
}

/// Waits until relays sleep over this much of their work: it is events and commands.
async fn asleep(pool: &PgPool, works: i64) {
    let asleep = "select count(*) from pg_locks join pg_database d on d.oid = database
                  where datname = current_database() and locktype = 'advisory' and classid = x'77616b65'::int::oid
                    and mode = 'ExclusiveLock' and granted";
    count(pool, "the relay to sleep", asleep, works).await;
}

#[tokio::test]
async fn who_began_while_nobody_slept_and_commits_after_the_last_look_is_found() {
    let pool = database().await;
    let mut early = postgres::begin(&pool).await.unwrap();
    put(&mut early).await;
    let life = relay(&pool);
    // It sleeps over the commands alone: somebody writes an event and will not notify.
    asleep(&pool, 1).await;
    let mut other = postgres::begin(&pool).await.unwrap();
    put(&mut other).await;
    other.commit().await.unwrap();
    placed(&pool, 1).await;
    early.commit().await.unwrap();
    placed(&pool, 2).await;
    // Now it sleeps, and who comes wakes it.
    asleep(&pool, 2).await;
    let mut late = postgres::begin(&pool).await.unwrap();
    put(&mut late).await;
    late.commit().await.unwrap();
    placed(&pool, 3).await;
    life.stop();
    assert!(life.finished().await);
}

/// Writers who begin and commit at all sorts of moments: the relay lies down and gets up many times meanwhile.
async fn everybody_is_found(pool: &PgPool) {
    let before: i64 = sqlx::query_scalar("select count(*) from platform.events")
        .fetch_one(pool)
        .await
        .unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for n in 0..40_u64 {
                    // Neither regular nor by chance: a failure comes again.
                    let pause = (writer * 7919 + n * n * 31) % 23;
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                    let mut tx = postgres::begin(&pool).await.unwrap();
                    put(&mut tx).await;
                    tokio::time::sleep(Duration::from_millis(pause / 5)).await;
                    tx.commit().await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    placed(pool, before + 8 * 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_at_all_sorts_of_moments_are_found_by_one_relay_and_by_two() {
    let pool = database().await;
    let first = relay(&pool);
    everybody_is_found(&pool).await;
    let second = relay(&pool);
    everybody_is_found(&pool).await;
    // The one that slept beside the other takes over.
    first.stop();
    assert!(first.finished().await);
    everybody_is_found(&pool).await;
    second.stop();
    assert!(second.finished().await);
}

#[tokio::test]
async fn a_session_that_is_lost_in_its_sleep_costs_nothing_but_the_notifications() {
    let pool = database().await;
    let life = relay(&pool);
    asleep(&pool, 2).await;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_locks join pg_database d on d.oid = database
         where datname = current_database() and locktype = 'advisory' and mode = 'ExclusiveLock'
           and classid = x'77616b65'::int::oid",
    )
    .execute(&pool)
    .await
    .unwrap();
    asleep(&pool, 0).await;
    // What was committed meanwhile is found with the next notification, or the next poll.
    let mut tx = postgres::begin(&pool).await.unwrap();
    put(&mut tx).await;
    sqlx::query("select pg_notify('smartcourse_outbox', '')")
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    placed(&pool, 1).await;
    asleep(&pool, 2).await;
    life.stop();
    assert!(life.finished().await);
}
