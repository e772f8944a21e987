//! The contract of the task dispatch port: ids come to whoever has a place for them, and come again until a task is done; with the
//! processes that run tasks, each is done once.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::{Value, json};
use smartcourse_engines::event_log;
use smartcourse_platform::{
    Error, config,
    error::codes,
    lifecycle::Lifecycle,
    outbox::relay::{self, Carriers},
    ports::task_dispatch::TaskDispatch,
    postgres,
    tasks::{self, Handler, Outcome, Task, dead},
};
use smartcourse_tests::{no_temporal, wait_for};
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

const POLL: Duration = Duration::from_secs(1);

/// A database, and how a process comes to its dispatch.
pub(crate) struct Scene<'a> {
    pub(crate) pool: &'a PgPool,
    dispatch: &'a (dyn Fn(PgPool) -> Arc<dyn TaskDispatch> + Sync),
}

/// Fails as often as the payload says.
struct Scripted;

#[async_trait]
impl Handler for Scripted {
    fn kind(&self) -> &'static str {
        "a"
    }

    async fn handle(&self, task: &Task) -> smartcourse_platform::Result<()> {
        let payload: Value = task.read()?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert!(
            payload["panic"].is_null() || task.tries > 1,
            "as the payload says"
        );
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
        if matches!(outcome, Outcome::Done) {
            sqlx::query("insert into done values ($1)")
                .bind(task.id)
                .execute(tx)
                .await?;
        }
        Ok(())
    }
}

impl<'a> Scene<'a> {
    pub(crate) fn new(
        pool: &'a PgPool,
        dispatch: &'a (dyn Fn(PgPool) -> Arc<dyn TaskDispatch> + Sync),
    ) -> Self {
        Self { pool, dispatch }
    }

    /// The connections of a process.
    fn connections(&self) -> PgPool {
        let options = self.pool.connect_options();
        PgPoolOptions::new()
            .max_connections(6)
            .connect_lazy_with((*options).clone())
    }

    /// A dispatch as a process of its own has it.
    pub(crate) fn dispatch(&self) -> Arc<dyn TaskDispatch> {
        (self.dispatch)(self.connections())
    }

    /// A process that offers, until its life ends.
    pub(crate) fn relay(&self) -> Lifecycle {
        let life = Lifecycle::default();
        let carriers = Carriers {
            workflows: no_temporal().unwrap(),
            log: Arc::new(event_log::postgres::Postgres::new(
                self.pool.clone(),
                self.pool.clone(),
                POLL,
            )),
            tasks: self.dispatch(),
        };
        let relay = relay::run(self.connections(), carriers, POLL, life.clone());
        life.spawn("relay", relay);
        life
    }

    /// A process that runs tasks, until its life ends; what it leaves undone is soon somebody else's.
    pub(crate) fn tasks(&self) -> Lifecycle {
        self.tasks_with(2)
    }

    fn tasks_with(&self, lease_seconds: u64) -> Lifecycle {
        let life = Lifecycle::default();
        let settings = config::Tasks {
            concurrency: PLACES,
            max_tries: 3,
            retry_initial_ms: 50,
            retry_factor: 2.0,
            lease_seconds,
        };
        let pool = self.connections();
        let run = tasks::run(
            pool.clone(),
            (self.dispatch)(pool),
            vec![Arc::new(Scripted)],
            settings,
            life.clone(),
        );
        life.spawn("tasks", run);
        life
    }

    /// Asks for a task that each of these payloads is for.
    pub(crate) async fn put(&self, kind: &str, payloads: impl IntoIterator<Item = Value>) -> Vec<Uuid> {
        let mut tx = postgres::begin(self.pool).await.unwrap();
        let mut ids = Vec::new();
        for payload in payloads {
            let task = Task::new(Uuid::now_v7(), kind, &payload).unwrap();
            assert!(tasks::put(&mut tx, &task).await.unwrap());
            ids.push(task.id);
        }
        tx.commit().await.unwrap();
        ids
    }

    /// So many simple ones.
    pub(crate) async fn put_many(&self, count: usize) -> Vec<Uuid> {
        self.put("a", vec![json!({}); count]).await
    }

    /// Waits until so many were done.
    pub(crate) async fn done(&self, count: usize) {
        wait_for("tasks to be done", async || -> anyhow::Result<_> {
            let query = "select count(distinct id) from done";
            let done: i64 = sqlx::query_scalar(query).fetch_one(self.pool).await?;
            Ok(if done == i64::try_from(count)? {
                Ok(())
            } else {
                Err(format!("{done} of {count}"))
            })
        })
        .await
        .unwrap();
    }

    /// All tasks were done, and each once.
    pub(crate) async fn all_done_once(&self, count: usize) {
        self.done(count).await;
        let query = "select count(*) from done";
        let times: i64 = sqlx::query_scalar(query).fetch_one(self.pool).await.unwrap();
        assert_eq!(times, i64::try_from(count).unwrap(), "none was done twice");
        let query = "select count(*) from platform.tasks where state <> 'done'";
        let left: i64 = sqlx::query_scalar(query).fetch_one(self.pool).await.unwrap();
        assert_eq!(left, 0);
    }

    /// The next ids, when they come.
    pub(crate) async fn next(
        &self,
        dispatch: &dyn TaskDispatch,
        places: &[(&'static str, usize)],
        life: &Lifecycle,
    ) -> Vec<Uuid> {
        wait_for("ids", async || -> anyhow::Result<_> {
            let next = tokio::time::timeout(POLL, dispatch.next(places, life)).await;
            Ok(next
                .map_err(|_| "none in time".to_owned())
                .and_then(|ids| ids.map_err(|error| error.chain())))
        })
        .await
        .unwrap()
    }

    async fn set(&self, statement: &'static str, ids: &[Uuid]) {
        sqlx::query(statement).bind(ids).execute(self.pool).await.unwrap();
    }

    async fn tries(&self, id: Uuid) -> i32 {
        let query = "select tries from platform.tasks where id = $1";
        sqlx::query_scalar(query)
            .bind(id)
            .fetch_one(self.pool)
            .await
            .unwrap()
    }
}

/// Places for each kind in a process that runs tasks.
pub(crate) const PLACES: usize = 4;

/// What [`Scripted`] writes to, in a database that does not wait for the disk.
pub(crate) async fn prepare(pool: &PgPool) {
    let statements = "create table done (id uuid);
         do $$ begin
             execute format('alter database %I set synchronous_commit = off', current_database());
         end $$";
    sqlx::raw_sql(statements).execute(pool).await.unwrap();
}

pub(crate) async fn task_dispatch_contract(scene: &Scene<'_>) {
    prepare(scene.pool).await;
    told_to_places(scene).await;
    again_until_done(scene).await;
    shared(scene).await;
}

/// As many as there are places, of the kinds that have one, until they are begun.
async fn told_to_places(scene: &Scene<'_>) {
    let relay = scene.relay();
    let (dispatch, life) = (scene.dispatch(), Lifecycle::default());
    let mut expected = scene.put("a", vec![json!({}); 5]).await;
    let others = scene.put("b", [json!({})]).await;
    let places = [("a", 2)];
    // Given up half-way, it has taken nothing.
    for _ in 0..20 {
        let mut next = dispatch.next(&places, &life);
        if let std::task::Poll::Ready(told) = futures::poll!(&mut next) {
            told.unwrap().into_iter().for_each(|id| dispatch.give_back(id));
        }
        tokio::task::yield_now().await;
    }
    let told = scene.next(&*dispatch, &places, &life).await;
    assert!((1..=2).contains(&told.len()), "{told:?}");
    told.iter().for_each(|id| dispatch.give_back(*id));
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        let told = scene.next(&*dispatch, &places, &life).await;
        assert!((1..=2).contains(&told.len()), "{told:?}");
        let lease = "update platform.tasks set state = 'running', lease = gen_random_uuid(),
             lease_until = now() + interval '1 hour' where id = any($1)";
        scene.set(lease, &told).await;
        for id in told {
            dispatch.acknowledge(id).await.unwrap();
            seen.push(id);
        }
    }
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(
        seen, expected,
        "what was given back came again, and each was told"
    );
    assert_eq!(scene.next(&*dispatch, &[("a", 2), ("b", 1)], &life).await, others);
    scene
        .set("delete from platform.tasks where id = any($1)", &others)
        .await;
    dispatch.acknowledge(others[0]).await.unwrap();
    // The process stops.
    life.stop();
    assert!(dispatch.next(&places, &life).await.unwrap().is_empty());
    scene
        .set("delete from platform.tasks where id = any($1)", &seen)
        .await;
    relay.stop();
    assert!(relay.finished().await);
}

/// A failure, a panic, a lease that ran out and what was given up come again.
async fn again_until_done(scene: &Scene<'_>) {
    let (relay, tasks) = (scene.relay(), scene.tasks());
    let ids = scene
        .put("a", [json!({}), json!({ "fail": 2 }), json!({ "panic": true })])
        .await;
    scene.done(3).await;
    for (id, tries) in ids.iter().zip([1, 3, 2]) {
        assert_eq!(scene.tries(*id).await, tries);
    }
    let failed = scene.put("a", [json!({ "fail": 3 })]).await;
    wait_for("the last try", async || -> anyhow::Result<_> {
        let dead = dead::list(scene.pool, Some("a"), None, 10).await?;
        let ids: Vec<Uuid> = dead.iter().map(|dead| dead.id).collect();
        Ok(if ids == failed {
            Ok(())
        } else {
            Err(format!("{ids:?}"))
        })
    })
    .await
    .unwrap();
    scene
        .set(
            "update platform.tasks set payload = '{}' where id = any($1)",
            &failed,
        )
        .await;
    assert!(dead::replay(scene.pool, failed[0]).await.unwrap());
    scene.done(4).await;

    tasks.stop();
    assert!(tasks.finished().await);
    let left = scene.put_many(1).await;
    // What a process leaves that took the task and died.
    let taken = "update platform.tasks set state = 'running', tries = 1, lease = gen_random_uuid(),
         lease_until = now() + interval '1 second' where id = any($1)";
    scene.set(taken, &left).await;
    let tasks = scene.tasks();
    scene.all_done_once(5).await;
    assert_eq!(scene.tries(left[0]).await, 2);
    for life in [relay, tasks] {
        life.stop();
        assert!(life.finished().await);
    }
}

/// Any number of processes share the tasks, and each is begun once.
async fn shared(scene: &Scene<'_>) {
    const COUNT: usize = 1_000;
    let before = 5;
    // Longer than a busy machine stands still.
    let mut lives: Vec<Lifecycle> = (0..8).map(|_| scene.tasks_with(60)).collect();
    lives.extend([scene.relay(), scene.relay()]);
    for _ in 0..COUNT / 100 {
        scene.put_many(100).await;
    }
    scene.all_done_once(before + COUNT).await;
    let query = "select count(*) from platform.tasks where tries > 1";
    let repeated: i64 = sqlx::query_scalar(query).fetch_one(scene.pool).await.unwrap();
    assert_eq!(repeated, 3, "one failed, one panicked, one was left by another");
    for life in lives {
        life.stop();
        assert!(life.finished().await);
    }
}
