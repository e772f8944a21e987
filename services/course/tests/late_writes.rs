//! A document that is written after what it is for was discarded is gone after the sweep, for good.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use serde_json::{Value, json};
use smartcourse_course::{Deletions, Dependencies, config::CONFIG};
use smartcourse_platform::{
    Result,
    config::Config,
    events::{Consumer as _, Event},
    grpc::{Actor, LocalRouter, Transport},
    ports::documents::Documents,
    postgres,
};
use smartcourse_proto::{
    common::VersionRef,
    course::{BeginAttemptRequest, CreateCourseRequest, DeleteCourseRequest, PutContentRequest},
    ids::UserId,
    stubs::CourseStub,
    user::Role,
};
use smartcourse_tests::engines::{self, Engines, documents};
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tonic::service::Routes;

const TEACHER: Actor = Actor::User {
    id: UserId(7),
    role: Role::Instructor,
};

/// Documents whose writes can be made to wait; once begun they are finished, whoever still wants them.
#[derive(Clone)]
struct Slow {
    inner: Arc<documents::postgres::Postgres>,
    wait: Arc<AtomicBool>,
    begun: Arc<Semaphore>,
    go: Arc<Semaphore>,
}

#[async_trait]
impl Documents for Slow {
    fn place(&self) -> String {
        self.inner.place()
    }

    async fn prepare(&self) -> Result<()> {
        self.inner.prepare().await
    }

    async fn put(&self, collection: &str, key: &str, body: &Value) -> Result<()> {
        if !self.wait.load(Ordering::Relaxed) {
            return self.inner.put(collection, key, body).await;
        }
        self.begun.add_permits(1);
        let (slow, body) = (self.clone(), body.clone());
        let (collection, key) = (collection.to_owned(), key.to_owned());
        let write = async move {
            slow.go.acquire().await.unwrap().forget();
            slow.inner.put(&collection, &key, &body).await
        };
        tokio::spawn(write).await.unwrap()
    }

    async fn get(&self, collection: &str, key: &str) -> Result<Option<Value>> {
        self.inner.get(collection, key).await
    }

    async fn get_many(&self, collection: &str, keys: &[String]) -> Result<Vec<(String, Value)>> {
        self.inner.get_many(collection, keys).await
    }

    async fn page(&self, collection: &str, after: &str, limit: u32) -> Result<Vec<(String, Value)>> {
        self.inner.page(collection, after, limit).await
    }

    async fn delete(&self, collection: &str, key: &str) -> Result<()> {
        self.inner.delete(collection, key).await
    }

    async fn delete_prefix(&self, collection: &str, prefix: &str) -> Result<u64> {
        self.inner.delete_prefix(collection, prefix).await
    }
}

struct World {
    pool: PgPool,
    documents: Slow,
    course: CourseStub<Transport>,
    course_id: i64,
}

/// The service with a course of the teacher's; every further write waits until it is let go.
async fn world() -> World {
    let pool = smartcourse_tests::migrated(&smartcourse_course::migrator())
        .await
        .unwrap();
    let documents = Slow {
        inner: Arc::new(documents::postgres::Postgres::new(pool.clone())),
        wait: Arc::default(),
        begun: Arc::new(Semaphore::new(0)),
        go: Arc::new(Semaphore::new(0)),
    };
    let declared = [&[CONFIG], engines::CONFIG].concat();
    let config = Config::load(&declared, None, &[]).unwrap();
    let engines = Engines::open(&config).unwrap();
    let deps = Dependencies {
        documents: Arc::new(documents.clone()),
        shared_reads: engines.shared_reads(),
        workflows: engines.workflows(),
        enrollment: Transport::local(&config.grpc, LocalRouter::default()),
    };
    let service = smartcourse_course::service(&config, pool.clone(), deps).unwrap();
    let local = LocalRouter::default();
    assert!(local.set(Routes::new(service).into_axum_router()).is_ok());
    let course = CourseStub::new(Transport::local(&config.grpc, local));
    let request = CreateCourseRequest {
        title: "Sagas".to_owned(),
        description: "Long transactions without locks.".to_owned(),
        ..CreateCourseRequest::default()
    };
    let created = course.create_course(TEACHER.request(request)).await.unwrap();
    documents.wait.store(true, Ordering::Relaxed);
    World {
        pool,
        documents,
        course,
        course_id: created.id,
    }
}

impl World {
    async fn begun(&self) {
        self.documents.begun.acquire().await.unwrap().forget();
    }

    fn let_go(&self) {
        self.documents.go.add_permits(1);
    }

    async fn documents(&self) -> Vec<String> {
        let keys = "select key from platform.documents where collection = 'course.content' order by key";
        sqlx::query_scalar(keys).fetch_all(&self.pool).await.unwrap()
    }

    async fn sweep(&self) -> u64 {
        let swept = self.course.sweep(Actor::Service.request(())).await;
        swept.unwrap().removed
    }

    /// No engine is at a write any more.
    async fn a_day_later(&self) {
        for older in [
            "update platform.open_writes set opened_at = opened_at - interval '25 hours'",
            "update course.unused_drafts set remove_after = remove_after - interval '25 hours'",
        ] {
            sqlx::query(older).execute(&self.pool).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discarded_version_that_is_written_late_is_swept() {
    let world = world().await;
    let draft = world.documents().await;
    let begin = BeginAttemptRequest {
        course_id: world.course_id,
        workflow_id: "publish".to_owned(),
        run_id: "run".to_owned(),
        ..BeginAttemptRequest::default()
    };
    let begin = Actor::Service.request(begin);
    let attempt = world.course.begin_attempt(begin).await.unwrap();
    let version = VersionRef {
        course_id: world.course_id,
        version: attempt.version,
        attempt_id: attempt.attempt_id,
    };
    let of = || Actor::Service.request(version.clone());

    let (course, request) = (world.course.clone(), of());
    let save = tokio::spawn(async move { course.save_content(request).await });
    world.begun().await;
    // The server ends the transaction, as it does with one that stands still: its lock is free.
    let end = "select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and state = 'idle in transaction'";
    sqlx::query(end).execute(&world.pool).await.unwrap();
    world.course.abort_version(of()).await.unwrap();
    world.course.delete_version(of()).await.unwrap();
    assert_eq!(world.documents().await, draft);
    world.let_go();
    save.await.unwrap().unwrap_err();
    assert_eq!(
        world.documents().await.len(),
        draft.len() + 1,
        "the write came late"
    );

    assert_eq!(world.sweep().await, 0, "a write may be under way");
    assert_eq!(world.documents().await, draft);
    world.a_day_later().await;
    assert_eq!(world.sweep().await, 1);
    assert_eq!(world.sweep().await, 0, "nothing comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_that_is_written_after_its_course_was_deleted_is_swept() {
    let world = world().await;
    let request = PutContentRequest {
        course_id: world.course_id,
        ..PutContentRequest::default()
    };
    let course = world.course.clone();
    let edit = tokio::spawn(async move { course.put_content(TEACHER.request(request)).await });
    world.begun().await;
    edit.abort();
    assert!(edit.await.unwrap_err().is_cancelled());

    let request = DeleteCourseRequest {
        id: world.course_id,
        if_match: None,
    };
    let request = TEACHER.request(request);
    world.course.delete_course(request).await.unwrap();
    let deleted = Event {
        id: uuid::Uuid::nil(),
        event_type: "course.deleted".to_owned(),
        key: String::new(),
        position: 1,
        payload: json!({"course_id": world.course_id}),
        created_at: OffsetDateTime::UNIX_EPOCH,
        traceparent: None,
    };
    let mut tx = postgres::begin(&world.pool).await.unwrap();
    let deletions = Deletions::new(Arc::new(world.documents.clone()));
    deletions.handle(&mut tx, &deleted).await.unwrap();
    tx.commit().await.unwrap();
    assert!(world.documents().await.is_empty());
    world.let_go();
    smartcourse_tests::wait_for("the late write", async || {
        let late = world.documents().await.len();
        Ok(if late == 1 { Ok(()) } else { Err(late.to_string()) })
    })
    .await
    .unwrap();

    assert_eq!(world.sweep().await, 1, "the deletion");
    world.a_day_later().await;
    assert_eq!(world.sweep().await, 1, "the draft");
    assert!(world.documents().await.is_empty());
    assert_eq!(world.sweep().await, 0, "nothing comes back");
}
