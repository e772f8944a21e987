//! The clean-up of settled rows against a real PostgreSQL: what is old and settled goes, in as many batches as it takes;
//! what is young, open or could be asked for again stays.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use smartcourse_platform::{
    events::{Consumer, Event},
    outbox, postgres,
    tasks::{self, Task},
    upkeep,
};
use smartcourse_tests::engines::event_log::postgres::{deliver_batch, place};
use sqlx::{PgConnection, PgPool, types::time::OffsetDateTime};
use uuid::Uuid;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

async fn database() -> PgPool {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    sqlx::query("create table effects (event uuid)")
        .execute(&pool)
        .await
        .unwrap();
    pool
}

/// Writes down every event it takes.
struct Recorder;

#[async_trait]
impl Consumer for Recorder {
    fn group(&self) -> &'static str {
        "recorder"
    }

    fn wants(&self, _: &str) -> bool {
        true
    }

    async fn handle(&self, tx: &mut PgConnection, event: &Event) -> smartcourse_platform::Result<()> {
        sqlx::query("insert into effects values ($1)")
            .bind(event.id)
            .execute(tx)
            .await?;
        Ok(())
    }
}

async fn run(pool: &PgPool, statement: &'static str) {
    sqlx::query(statement).execute(pool).await.unwrap();
}

async fn count(pool: &PgPool, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(pool).await.unwrap()
}

async fn publish(pool: &PgPool, key: &str) {
    let mut tx = postgres::begin(pool).await.unwrap();
    outbox::put_event(&mut tx, "thing", key, &json!({}))
        .await
        .unwrap();
    tx.commit().await.unwrap();
    place(pool).await.unwrap();
}

const INBOX: &str = "select count(*) from platform.inbox";
const EFFECTS: &str = "select count(*) from effects";

#[tokio::test]
async fn an_inbox_row_goes_only_when_its_event_cannot_come_again() {
    let pool = database().await;
    publish(&pool, "a").await;
    publish(&pool, "b").await;
    deliver_batch(&pool, &Recorder).await.unwrap();
    assert_eq!(count(&pool, INBOX).await, 2);
    assert_eq!(
        upkeep::sweep(&pool, OffsetDateTime::now_utc() - MONTH)
            .await
            .unwrap(),
        0,
        "they are young"
    );

    run(
        &pool,
        "update platform.inbox set done_at = now() - interval '31 days'",
    )
    .await;
    // The group is about to read the second event once more.
    run(&pool, "update platform.event_groups set position = 1").await;
    assert_eq!(
        upkeep::sweep(&pool, OffsetDateTime::now_utc() - MONTH)
            .await
            .unwrap(),
        1
    );
    assert_eq!(count(&pool, INBOX).await, 1);
    deliver_batch(&pool, &Recorder).await.unwrap();
    assert_eq!(count(&pool, EFFECTS).await, 2, "nothing had its effect twice");

    assert_eq!(
        upkeep::sweep(&pool, OffsetDateTime::now_utc() - MONTH)
            .await
            .unwrap(),
        1
    );
    assert_eq!(count(&pool, INBOX).await, 0);
    deliver_batch(&pool, &Recorder).await.unwrap();
    assert_eq!(count(&pool, EFFECTS).await, 2);
    assert_eq!(
        count(&pool, "select count(*) from platform.events").await,
        2,
        "the log stays"
    );
}

#[tokio::test]
async fn more_than_a_batch_goes_in_one_sweep() {
    let pool = database().await;
    run(
        &pool,
        "insert into platform.idempotency_keys (scope, key, request_hash, response, created_at)
         select 's', n::text, '', '{}', now() - interval '31 days' from generate_series(1, 12001) n",
    )
    .await;
    run(
        &pool,
        "insert into platform.idempotency_keys (scope, key, request_hash, response) values ('s', 'young', '', '{}')",
    )
    .await;
    assert_eq!(
        upkeep::sweep(&pool, OffsetDateTime::now_utc() - MONTH)
            .await
            .unwrap(),
        12_001
    );
    let left = "select count(*) from platform.idempotency_keys where key = 'young'";
    assert_eq!(count(&pool, left).await, 1);
}

#[tokio::test]
async fn done_commands_and_tasks_go_and_open_or_dead_ones_stay() {
    let pool = database().await;
    let mut tx = postgres::begin(&pool).await.unwrap();
    for _ in 0..4 {
        outbox::put_cancel(&mut tx, "w").await.unwrap();
        let task = Task::new(Uuid::now_v7(), "a", &json!({})).unwrap();
        tasks::put(&mut tx, &task).await.unwrap();
    }
    tx.commit().await.unwrap();
    run(
        &pool,
        "update platform.outbox_commands set created_at = now() - interval '90 days',
             done_at = case id when 1 then now() - interval '31 days' when 2 then now() end",
    )
    .await;
    run(
        &pool,
        "update platform.tasks t set created_at = now() - interval '90 days',
             state = (array['done', 'done', 'dead', 'queued'])[n],
             finished_at = case when n in (1, 3) then now() - interval '31 days' when n = 2 then now() end
         from (select id, row_number() over (order by id) n from platform.tasks) numbered where numbered.id = t.id",
    )
    .await;
    assert_eq!(
        upkeep::sweep(&pool, OffsetDateTime::now_utc() - MONTH)
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        count(&pool, "select count(*) from platform.outbox_commands").await,
        3
    );
    let old =
        "select count(*) from platform.tasks where state = 'done' and finished_at < now() - interval '1 day'";
    assert_eq!(count(&pool, old).await, 0);
    assert_eq!(count(&pool, "select count(*) from platform.tasks").await, 3);
}
