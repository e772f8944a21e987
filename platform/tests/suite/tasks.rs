//! Background tasks against a real PostgreSQL: a task is asked for by a commit and once, its outcome is recorded with it,
//! failures are tried again and given up, a dead process's task goes to another, and no kind waits for another.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI32, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use async_trait::async_trait;
use serde_json::{Value, json};
use smartcourse_platform::{
    Error, config,
    error::codes,
    lifecycle::Lifecycle,
    postgres,
    tasks::{self, Handler, Outcome, Task, dead},
};
use smartcourse_tests::{engines::task_dispatch::postgres::Postgres, wait_for};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

async fn database() -> PgPool {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    sqlx::query("create table outcomes (task uuid, outcome text, tries int)")
        .execute(&pool)
        .await
        .unwrap();
    pool
}

/// Does what the payload says: `fail` so many times, `refuse`, `hang` or `panic`.
struct Scripted {
    kind: &'static str,
    running: AtomicI32,
    most: AtomicI32,
}

impl Scripted {
    fn new(kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            kind,
            running: AtomicI32::new(0),
            most: AtomicI32::new(0),
        })
    }
}

#[async_trait]
impl Handler for Scripted {
    fn kind(&self) -> &'static str {
        self.kind
    }

    async fn handle(&self, task: &Task) -> smartcourse_platform::Result<()> {
        let payload: Value = task.read()?;
        assert!(payload["panic"].is_null(), "as the payload says");
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        let pause = if payload["hang"].is_null() { 10 } else { 600_000 };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        if !payload["refuse"].is_null() {
            return Err(Error::new(&codes::DELIVERY_REFUSED, "not ever"));
        }
        if !payload["away"].is_null() {
            return Err(Error::new(&codes::UNAVAILABLE, "a service is away"));
        }
        if i64::from(task.tries) <= payload["fail"].as_i64().unwrap_or(0) {
            return Err(Error::new(&codes::DELIVERY_FAILED, "not now"));
        }
        Ok(())
    }

    async fn settle(
        &self,
        tx: &mut PgConnection,
        task: &Task,
        outcome: Outcome<'_>,
    ) -> smartcourse_platform::Result<()> {
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Retrying(_) => "retrying",
            Outcome::Postponed(_) => "postponed",
            Outcome::Dead(_) => "dead",
        };
        sqlx::query("insert into outcomes values ($1, $2, $3)")
            .bind(task.id)
            .bind(outcome)
            .bind(task.tries)
            .execute(tx)
            .await?;
        Ok(())
    }
}

fn settings() -> config::Tasks {
    config::Tasks {
        concurrency: 2,
        max_tries: 3,
        retry_initial_ms: 20,
        retry_factor: 2.0,
        lease_seconds: 1,
    }
}

/// A process that runs tasks, until its life ends.
fn start(pool: &PgPool, handlers: Vec<Arc<dyn Handler>>) -> Lifecycle {
    start_with(pool, handlers, settings())
}

fn start_with(pool: &PgPool, handlers: Vec<Arc<dyn Handler>>, settings: config::Tasks) -> Lifecycle {
    let life = Lifecycle::default();
    let poll = Duration::from_millis(20);
    let dispatch = Arc::new(Postgres::new(pool.clone(), pool.clone(), poll));
    life.spawn(
        "tasks",
        tasks::run(pool.clone(), dispatch, handlers, settings, life.clone()),
    );
    life
}

async fn put(pool: &PgPool, kind: &str, payload: Value) -> Uuid {
    let task = Task::new(Uuid::now_v7(), kind, &payload).unwrap();
    let mut tx = postgres::begin(pool).await.unwrap();
    assert!(tasks::put(&mut tx, &task).await.unwrap());
    tx.commit().await.unwrap();
    task.id
}

async fn state(pool: &PgPool, id: Uuid) -> (String, i32) {
    let query = "select state, tries from platform.tasks where id = $1";
    sqlx::query_as(query).bind(id).fetch_one(pool).await.unwrap()
}

async fn until(pool: &PgPool, id: Uuid, wanted: &str) -> i32 {
    wait_for(wanted, async || -> Result<_> {
        let (state, tries) = state(pool, id).await;
        Ok(if state == wanted { Ok(tries) } else { Err(state) })
    })
    .await
    .unwrap()
}

/// What was settled for a task, in order.
async fn outcomes(pool: &PgPool, id: Uuid) -> Vec<(String, i32)> {
    let query = "select outcome, tries from outcomes where task = $1 order by tries";
    sqlx::query_as(query).bind(id).fetch_all(pool).await.unwrap()
}

#[tokio::test]
async fn a_task_is_asked_for_by_a_commit_and_once() {
    let pool = database().await;
    let task = Task::new(Uuid::now_v7(), "a", &json!({})).unwrap();
    let mut tx = postgres::begin(&pool).await.unwrap();
    assert!(tasks::put(&mut tx, &task).await.unwrap());
    tx.rollback().await.unwrap();
    let mut tx = postgres::begin(&pool).await.unwrap();
    assert!(tasks::put(&mut tx, &task).await.unwrap(), "nothing was asked for");
    assert!(!tasks::put(&mut tx, &task).await.unwrap());
    tx.commit().await.unwrap();

    let life = start(&pool, vec![Scripted::new("a")]);
    assert_eq!(until(&pool, task.id, "done").await, 1);
    let mut tx = postgres::begin(&pool).await.unwrap();
    assert!(!tasks::put(&mut tx, &task).await.unwrap(), "known when done, too");
    assert!(
        !tasks::replay(&mut tx, task.id).await.unwrap(),
        "only dead ones are replayed"
    );
    tx.commit().await.unwrap();
    life.stop();
    assert!(life.finished().await);
    assert_eq!(outcomes(&pool, task.id).await, [("done".to_owned(), 1)]);
}

#[tokio::test]
async fn failures_are_tried_again_and_given_up() {
    let pool = database().await;
    let once = put(&pool, "a", json!({ "fail": 1 })).await;
    let always = put(&pool, "a", json!({ "fail": 99 })).await;
    let refused = put(&pool, "a", json!({ "refuse": true })).await;
    let _life = start(&pool, vec![Scripted::new("a")]);
    assert_eq!(until(&pool, once, "done").await, 2);
    assert_eq!(until(&pool, always, "dead").await, 3);
    assert_eq!(until(&pool, refused, "dead").await, 1, "no retry mends a refusal");
    let step = |outcome: &str, tries| (outcome.to_owned(), tries);
    assert_eq!(
        outcomes(&pool, once).await,
        [step("retrying", 1), step("done", 2)]
    );
    assert_eq!(
        outcomes(&pool, always).await,
        [step("retrying", 1), step("retrying", 2), step("dead", 3)]
    );
    assert_eq!(outcomes(&pool, refused).await, [step("dead", 1)]);

    let mut tx = postgres::begin(&pool).await.unwrap();
    assert!(tasks::replay(&mut tx, always).await.unwrap());
    assert!(
        !tasks::replay(&mut tx, always).await.unwrap(),
        "it is not dead any more"
    );
    tx.commit().await.unwrap();
    assert_eq!(until(&pool, always, "dead").await, 3);
    assert_eq!(outcomes(&pool, always).await.len(), 6, "all tries again");
}

#[tokio::test]
async fn a_service_that_is_away_costs_no_try() {
    let pool = database().await;
    let life = start(&pool, vec![Scripted::new("mail")]);
    let task = put(&pool, "mail", json!({ "away": true })).await;
    let many = |outcomes: Vec<_>| outcomes.len() > 2 * settings().max_tries as usize;
    let wait = async { while !many(outcomes(&pool, task).await) {} };
    tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
    sqlx::raw_sql("update platform.tasks set payload = '{}'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(until(&pool, task, "done").await, 1);
    life.stop();
}

#[tokio::test]
async fn what_was_given_up_is_listed_with_its_reason_and_can_be_put_back() {
    let pool = database().await;
    let first = put(&pool, "a", json!({ "refuse": true })).await;
    let done = put(&pool, "a", json!({})).await;
    let life = start(&pool, vec![Scripted::new("a"), Scripted::new("b")]);
    until(&pool, first, "dead").await;
    until(&pool, done, "done").await;
    let second = put(&pool, "b", json!({ "refuse": true })).await;
    until(&pool, second, "dead").await;
    life.stop();
    assert!(life.finished().await);

    let all = dead::list(&pool, None, None, 10).await.unwrap();
    let ids: Vec<Uuid> = all.iter().map(|task| task.id).collect();
    assert_eq!(ids, [second, first], "the latest first");
    assert_eq!((all[1].tries, &all[1].payload), (1, &json!({ "refuse": true })));
    assert_eq!(all[1].reason, "delivery_refused: not ever");
    let page = dead::list(&pool, None, Some(all[0].place()), 10).await.unwrap();
    assert_eq!(page, all[1..], "the next page begins behind it");
    let of_kind = dead::list(&pool, Some("b"), None, 10).await.unwrap();
    assert_eq!(of_kind, all[..1]);

    assert!(dead::replay(&pool, first).await.unwrap());
    assert!(!dead::replay(&pool, first).await.unwrap(), "it is under way");
    assert!(!dead::replay(&pool, done).await.unwrap(), "it was done");
    assert_eq!(state(&pool, first).await, ("queued".to_owned(), 0));
    assert_eq!(dead::list(&pool, None, None, 10).await.unwrap(), all[..1]);
}

#[tokio::test]
async fn the_pauses_are_the_configured_ones() {
    let pool = database().await;
    let id = put(&pool, "a", json!({ "fail": 99 })).await;
    let slow = config::Tasks {
        retry_initial_ms: 50,
        retry_factor: 10_000.0,
        ..settings()
    };
    let life = start_with(&pool, vec![Scripted::new("a")], slow);
    wait_for("the second failure", async || -> Result<_> {
        let state = state(&pool, id).await;
        Ok(if state == ("queued".to_owned(), 2) {
            Ok(())
        } else {
            Err(state.0)
        })
    })
    .await
    .unwrap();
    life.stop();
    let query = "select extract(epoch from next_try_at - now())::float8 from platform.tasks where id = $1";
    let pause: f64 = sqlx::query_scalar(query).bind(id).fetch_one(&pool).await.unwrap();
    assert!(
        (250.0..=300.0).contains(&pause),
        "5 minutes at most, not {pause} s"
    );
}

#[tokio::test]
async fn a_kind_has_its_places_and_waits_for_no_other() {
    let pool = database().await;
    for _ in 0..4 {
        put(&pool, "slow", json!({ "hang": true })).await;
    }
    let quick = Scripted::new("quick");
    let _life = start(&pool, vec![Scripted::new("slow"), quick.clone()]);
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(put(&pool, "quick", json!({})).await);
    }
    for id in ids {
        until(&pool, id, "done").await;
    }
    assert_eq!(
        quick.most.load(Ordering::SeqCst),
        2,
        "as many at once as configured"
    );
    let query = "select count(*) filter (where state = 'running'), count(*) filter (where state = 'queued')
         from platform.tasks where kind = 'slow'";
    let slow: (i64, i64) = sqlx::query_as(query).fetch_one(&pool).await.unwrap();
    assert_eq!(slow, (2, 2));
}

#[tokio::test]
async fn a_task_nobody_here_knows_waits() {
    let pool = database().await;
    let other = put(&pool, "other", json!({})).await;
    let ours = put(&pool, "a", json!({})).await;
    let _life = start(&pool, vec![Scripted::new("a")]);
    until(&pool, ours, "done").await;
    assert_eq!(state(&pool, other).await, ("queued".to_owned(), 0));
}

#[tokio::test]
async fn the_task_of_a_dead_process_goes_to_another() {
    let pool = database().await;
    let id = put(&pool, "a", json!({})).await;
    // What a process leaves that took the task and died.
    let query = "update platform.tasks set state = 'running', tries = 1, lease = gen_random_uuid(),
         lease_until = now() + interval '1 second' where id = $1";
    sqlx::query(query).bind(id).execute(&pool).await.unwrap();
    let _life = start(&pool, vec![Scripted::new("a")]);
    assert_eq!(until(&pool, id, "done").await, 2);
    assert_eq!(outcomes(&pool, id).await, [("done".to_owned(), 2)]);
}

#[tokio::test]
async fn a_lease_is_renewed_as_long_as_the_handler_runs() {
    let pool = database().await;
    let id = put(&pool, "a", json!({ "hang": true })).await;
    let first = start(&pool, vec![Scripted::new("a")]);
    until(&pool, id, "running").await;
    let _second = start(&pool, vec![Scripted::new("a")]);
    // Three leases long.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(state(&pool, id).await, ("running".to_owned(), 1));
    drop(first);
}

#[tokio::test]
async fn a_run_that_lost_its_lease_is_not_counted() {
    let pool = database().await;
    let id = put(&pool, "a", json!({ "hang": true })).await;
    let life = start(&pool, vec![Scripted::new("a")]);
    until(&pool, id, "running").await;
    // Somebody else took it, as after a pause of this machine, and has done it.
    let query = "update platform.tasks set lease = gen_random_uuid(), state = 'done', finished_at = now() where id = $1";
    sqlx::query(query).bind(id).execute(&pool).await.unwrap();
    life.stop();
    assert!(life.finished().await, "the run notices and ends");
    assert_eq!(outcomes(&pool, id).await, []);
}

#[tokio::test]
async fn a_handler_that_panics_costs_its_task_only() {
    let pool = database().await;
    let bad = put(&pool, "a", json!({ "panic": true })).await;
    let good = put(&pool, "a", json!({})).await;
    let _life = start(&pool, vec![Scripted::new("a")]);
    until(&pool, good, "done").await;
    assert_eq!(
        until(&pool, bad, "dead").await,
        4,
        "three runs, and the one that gave up"
    );
    let query = "select last_error from platform.tasks where id = $1";
    let error: String = sqlx::query_scalar(query)
        .bind(bad)
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(error.starts_with("task_interrupted"), "{error}");
}

#[tokio::test]
async fn two_processes_share_the_tasks() {
    let pool = database().await;
    let mut ids = Vec::new();
    for _ in 0..60 {
        ids.push(put(&pool, "a", json!({})).await);
    }
    let _one = start(&pool, vec![Scripted::new("a")]);
    let _two = start(&pool, vec![Scripted::new("a")]);
    for id in ids {
        assert_eq!(until(&pool, id, "done").await, 1);
        assert_eq!(outcomes(&pool, id).await, [("done".to_owned(), 1)]);
    }
}
