//! The outbox against a real PostgreSQL: what a transaction asks for is asked once it commits, and only then; a start
//! can be taken back until it was handed over; a Temporal server that is away costs tries, not commands or events.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::json;
use smartcourse_platform::{
    lifecycle::Lifecycle,
    outbox::{
        self,
        relay::{self, Carriers},
    },
    ports::workflows::{Start, StartOptions},
    postgres,
};
use smartcourse_tests::{
    engines::{
        event_log::postgres::{Postgres, place},
        task_dispatch,
    },
    no_temporal, wait_for,
};
use sqlx::{PgConnection, PgPool};

const POLL: Duration = Duration::from_millis(20);
const ID: &str = "publish-1-v1";

async fn database() -> PgPool {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    pool
}

fn start(workflow_id: &str) -> Start {
    Start {
        workflow_id: workflow_id.to_owned(),
        workflow_type: "PublishCourse".to_owned(),
        task_queue: "publish".to_owned(),
        input: json!({ "course_id": 1 }),
        options: StartOptions {
            execution_timeout_seconds: 60,
            course_id: 1,
            instructor_id: 2,
            summary: "x".to_owned(),
            ..StartOptions::default()
        },
    }
}

/// Commits a start.
async fn put_start(pool: &PgPool, workflow_id: &str) {
    let mut tx = postgres::begin(pool).await.unwrap();
    outbox::put_start(&mut tx, &start(workflow_id)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn withdraw(pool: &PgPool) -> bool {
    let mut tx = postgres::begin(pool).await.unwrap();
    let answer = outbox::withdraw_start(&mut tx, ID).await.unwrap();
    tx.commit().await.unwrap();
    answer
}

/// What the relay does to rows: takes them, and says at the end that the server has them.
async fn hold(tx: &mut PgConnection) {
    let query = "select id from platform.outbox_commands where done_at is null for update skip locked";
    assert_eq!(sqlx::query(query).fetch_all(tx).await.unwrap().len(), 1);
}

async fn mark_handed_over(tx: &mut PgConnection) {
    let query = "update platform.outbox_commands set done_at = now(), run_id = 'run', tries = tries + 1";
    sqlx::query(query).execute(tx).await.unwrap();
}

/// Begins a withdrawal while a relay holds the row, and returns once it is seen to wait.
async fn waiting_withdrawal(pool: &PgPool) -> tokio::task::JoinHandle<bool> {
    let task = tokio::spawn({
        let pool = pool.clone();
        async move { withdraw(&pool).await }
    });
    wait_for("the withdrawal to wait for the row", async || -> Result<_> {
        let query = "select count(*) from pg_stat_activity where datname = current_database()
             and wait_event_type = 'Lock' and query like '%outbox_commands%'";
        let waiting: i64 = sqlx::query_scalar(query).fetch_one(pool).await?;
        Ok(if waiting == 1 {
            Ok(())
        } else {
            Err(waiting.to_string())
        })
    })
    .await
    .unwrap();
    assert!(!task.is_finished());
    task
}

async fn rows(pool: &PgPool) -> (i64, i64) {
    let query =
        "select (select count(*) from platform.outbox_commands), (select count(*) from platform.events)";
    sqlx::query_as(query).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_start_is_withdrawn_before_its_hand_over_and_never_sent() {
    let pool = database().await;
    assert!(!withdraw(&pool).await, "nothing to withdraw");
    put_start(&pool, ID).await;
    put_start(&pool, "another").await;
    assert!(withdraw(&pool).await);
    assert!(!withdraw(&pool).await, "withdrawn once");

    let state = outbox::start_state(&pool, ID).await.unwrap().unwrap();
    assert_eq!(
        (state.done, state.tries, state.last_error.as_deref()),
        (true, 0, Some("withdrawn"))
    );
    // The other one is still due, the withdrawn one is not.
    assert_eq!(
        relay::hand_over(&pool, no_temporal().unwrap().as_ref())
            .await
            .unwrap(),
        1
    );
    assert_eq!(outbox::start_state(&pool, ID).await.unwrap().unwrap().tries, 0);
    assert_eq!(
        outbox::start_state(&pool, "another")
            .await
            .unwrap()
            .unwrap()
            .tries,
        1
    );
    assert_eq!(outbox::start_state(&pool, "unknown").await.unwrap(), None);
}

#[tokio::test]
async fn a_start_that_was_handed_over_is_not_withdrawn() {
    let pool = database().await;
    put_start(&pool, ID).await;
    mark_handed_over(&mut pool.acquire().await.unwrap()).await;
    assert!(!withdraw(&pool).await);
    let state = outbox::start_state(&pool, ID).await.unwrap().unwrap();
    assert_eq!((state.done, state.last_error), (true, None));
}

#[tokio::test]
async fn a_cancel_is_no_start_to_withdraw() {
    let pool = database().await;
    let mut tx = postgres::begin(&pool).await.unwrap();
    outbox::put_cancel(&mut tx, ID).await.unwrap();
    tx.commit().await.unwrap();
    assert!(!withdraw(&pool).await);
    assert_eq!(
        relay::hand_over(&pool, no_temporal().unwrap().as_ref())
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_withdrawal_waits_for_the_relay_and_loses_when_the_row_was_handed_over() {
    let pool = database().await;
    put_start(&pool, ID).await;
    let mut holder = postgres::begin(&pool).await.unwrap();
    hold(&mut holder).await;
    let withdrawal = waiting_withdrawal(&pool).await;
    mark_handed_over(&mut holder).await;
    holder.commit().await.unwrap();
    assert!(!withdrawal.await.unwrap());
    assert_eq!(
        outbox::start_state(&pool, ID).await.unwrap().unwrap().last_error,
        None
    );
}

#[tokio::test]
async fn a_withdrawal_waits_for_the_relay_and_wins_when_that_died() {
    let pool = database().await;
    put_start(&pool, ID).await;
    let mut holder = postgres::begin(&pool).await.unwrap();
    hold(&mut holder).await;
    let withdrawal = waiting_withdrawal(&pool).await;
    holder.rollback().await.unwrap();
    assert!(withdrawal.await.unwrap());
    assert_eq!(
        relay::hand_over(&pool, no_temporal().unwrap().as_ref())
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_withdrawal_that_rolls_back_leaves_the_start_to_the_relay() {
    let pool = database().await;
    put_start(&pool, ID).await;
    let mut tx = postgres::begin(&pool).await.unwrap();
    assert!(outbox::withdraw_start(&mut tx, ID).await.unwrap());
    assert_eq!(
        relay::hand_over(&pool, no_temporal().unwrap().as_ref())
            .await
            .unwrap(),
        0,
        "the row is held: passed over, not waited for"
    );
    tx.rollback().await.unwrap();
    assert_eq!(
        relay::hand_over(&pool, no_temporal().unwrap().as_ref())
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn without_temporal_tries_are_counted_and_the_next_is_later() {
    let pool = database().await;
    let workflows = no_temporal().unwrap();
    put_start(&pool, ID).await;
    let mut pause = 0.0;
    for tries in 1..=3 {
        assert_eq!(relay::hand_over(&pool, workflows.as_ref()).await.unwrap(), 1);
        let state = outbox::start_state(&pool, ID).await.unwrap().unwrap();
        assert_eq!((state.done, state.tries), (false, tries));
        assert!(state.last_error.unwrap().contains("Temporal does not answer"));
        // The pause counts from the begin of the relay's transaction, so it is compared with that of the row.
        let next = "update platform.outbox_commands o set next_try_at = now() + interval '1 hour' from platform.outbox_commands b
             where b.id = o.id returning extract(epoch from b.next_try_at - b.created_at)::float8";
        let later: f64 = sqlx::query_scalar(next).fetch_one(&pool).await.unwrap();
        assert!(later > pause, "{later} after {pause}");
        pause = later;
        assert_eq!(
            relay::hand_over(&pool, workflows.as_ref()).await.unwrap(),
            0,
            "not due, not tried"
        );
        sqlx::query("update platform.outbox_commands set next_try_at = now()")
            .execute(&pool)
            .await
            .unwrap();
    }
    assert!(
        withdraw(&pool).await,
        "a start that was tried in vain can still be taken back"
    );
}

#[tokio::test]
async fn without_temporal_the_relay_still_places_events() {
    let pool = database().await;
    let life = Lifecycle::default();
    life.spawn(
        "relay",
        relay::run(
            pool.clone(),
            Carriers {
                workflows: no_temporal().unwrap(),
                log: Arc::new(Postgres::new(pool.clone(), pool.clone(), POLL)),
                tasks: Arc::new(task_dispatch::postgres::Postgres::new(
                    pool.clone(),
                    pool.clone(),
                    POLL,
                )),
            },
            POLL,
            life.clone(),
        ),
    );
    put_start(&pool, ID).await;
    wait_for("a try", async || -> Result<_> {
        let state = outbox::start_state(&pool, ID).await?;
        Ok(if state.as_ref().is_some_and(|state| state.tries > 0) {
            Ok(())
        } else {
            Err(format!("{state:?}"))
        })
    })
    .await
    .unwrap();
    for n in 1..=3_i64 {
        let mut tx = postgres::begin(&pool).await.unwrap();
        outbox::put_event(&mut tx, "thing", "a", &json!({ "n": n }))
            .await
            .unwrap();
        tx.commit().await.unwrap();
        wait_for("a position", async || -> Result<_> {
            let query = "select coalesce(max(position), 0) from platform.events";
            let position: i64 = sqlx::query_scalar(query).fetch_one(&pool).await?;
            Ok(if position == n {
                Ok(())
            } else {
                Err(position.to_string())
            })
        })
        .await
        .unwrap();
    }
    life.stop();
    assert!(life.finished().await, "the relay stops when asked");
    assert!(!outbox::start_state(&pool, ID).await.unwrap().unwrap().done);
}

#[tokio::test]
async fn a_rolled_back_transaction_asks_for_nothing() {
    let pool = database().await;
    let mut tx = postgres::begin(&pool).await.unwrap();
    outbox::put_start(&mut tx, &start(ID)).await.unwrap();
    outbox::put_cancel(&mut tx, ID).await.unwrap();
    outbox::put_event(&mut tx, "thing", "a", &json!({}))
        .await
        .unwrap();
    // Not even while it is open.
    assert_eq!(
        relay::hand_over(&pool, no_temporal().unwrap().as_ref())
            .await
            .unwrap(),
        0
    );
    assert_eq!(place(&pool).await.unwrap().count, 0);
    tx.rollback().await.unwrap();
    assert_eq!(rows(&pool).await, (0, 0));
    assert_eq!(
        relay::hand_over(&pool, no_temporal().unwrap().as_ref())
            .await
            .unwrap(),
        0
    );
    assert_eq!(place(&pool).await.unwrap().count, 0);
}

#[tokio::test]
async fn a_row_carries_the_whole_start() {
    let pool = database().await;
    put_start(&pool, ID).await;
    let query =
        "select workflow_id, workflow_type, task_queue, payload, options from platform.outbox_commands";
    let row: (String, String, String, serde_json::Value, serde_json::Value) =
        sqlx::query_as(query).fetch_one(&pool).await.unwrap();
    let options = serde_json::from_value(row.4).unwrap();
    let read = Start {
        workflow_id: row.0,
        workflow_type: row.1,
        task_queue: row.2,
        input: row.3,
        options,
    };
    assert_eq!(read, start(ID));
}
