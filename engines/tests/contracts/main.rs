//! The contracts of the engine ports, each a function over the trait: an adapter is right when it passes its suite.
//! Here they run on what is built in, in `servers` on real servers, which are installed and started by the test:
//! `cargo test -p smartcourse-engines --test contracts -- --ignored`, with `--workspace --features smartcourse-engines/kafka-tls` on a Kafka that speaks TLS, too. An adapter for another engine adds one `#[tokio::test]` per
//! port.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod announcements;
mod documents;
mod event_log;
#[cfg(feature = "real")]
mod faults;
mod files;
#[cfg(feature = "real")]
mod kafka;
#[cfg(feature = "real")]
mod kafka_faults;
#[cfg(feature = "kafka-tls")]
mod kafka_tls;
mod mail;
mod messages;
#[cfg(feature = "real")]
mod networks;
#[cfg(feature = "real")]
mod opensearch;
#[cfg(feature = "real")]
mod qdrant;
#[cfg(feature = "real")]
mod rabbitmq;
mod rate_limits;
mod search;
#[cfg(feature = "real")]
mod servers;
mod shared_reads;
mod task_dispatch;
mod vectors;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use smartcourse_engines::{self as engines, files::directory::Directory};
use smartcourse_platform::{
    ports::{
        event_log::EventLog,
        files::{Files as _, Grant},
        shared_reads::SharedReads as _,
        task_dispatch::TaskDispatch,
    },
    postgres,
};
use smartcourse_proto::ids::{CourseId, VersionId};
use sqlx::PgPool;

/// The longest pause of whoever hears of nothing.
const POLL: Duration = Duration::from_secs(1);

async fn database() -> PgPool {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    pool
}

/// The URL of a server that takes connections and says nothing, and what ends it.
#[cfg(feature = "real")]
async fn silent_server() -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut taken = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            taken.push(connection);
        }
    });
    (url, server)
}

/// A version of a course.
fn version(course: i64, version: i32) -> VersionId {
    VersionId {
        course_id: CourseId(course),
        version,
    }
}

#[tokio::test]
async fn documents_in_postgres() {
    documents::documents_contract(&engines::documents::postgres::Postgres::new(database().await)).await;
}

#[tokio::test]
async fn vectors_in_postgres() {
    let pool = database().await;
    let store = || engines::vectors::postgres::Postgres::new(pool.clone());
    vectors::vectors_contract(&store()).await;
    vectors::vectors_are_shared(&store(), &store()).await;
    vectors::vectors_by_many(&store()).await;
    vectors::vectors_of_all_sorts(&store()).await;
}

#[tokio::test]
async fn search_in_postgres() {
    let index = engines::search::postgres::Postgres::new(database().await);
    search::search_contract(&index).await;
    search::rank_contract(&index).await;
    search::language_contract(&index).await;
    search::search_of_all_sorts(&index).await;
}

#[tokio::test]
async fn files_in_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("made/when/missing");
    let store = Directory::open(&root).unwrap();
    files::files_contract(&store).await;
    files::broken_writes_go(&store, &root).await;
    let url = store.sign("c/v10/a", Grant::Write, Duration::from_secs(60)).await;
    assert_eq!(url.unwrap(), None, "nobody but us reaches a directory");
    // A path out of the directory is a strange name inside of it.
    let mut file = store.write("../../escaped").await.unwrap();
    file.write(Bytes::from_static(b"x")).await.unwrap();
    file.finish().await.unwrap();
    assert!(!dir.path().join("made/escaped").exists());
    // A file as the root is refused.
    std::fs::write(dir.path().join("file"), "x").unwrap();
    assert!(Directory::open(&dir.path().join("file")).is_err());
}

#[tokio::test]
async fn files_in_a_directory_on_a_full_disk() {
    if !files::has_full_disk("files_in_a_directory_on_a_full_disk") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    files::full_disk_contract(&Directory::open(dir.path()).unwrap()).await;
    let left = std::fs::read_dir(dir.path().join("c/v1")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test]
async fn rate_limits_in_the_process() {
    rate_limits::rate_limits_contract(&engines::rate_limits::in_process::InProcess::default()).await;
}

#[tokio::test]
async fn shared_reads_in_the_process() {
    let reads = engines::shared_reads::in_process::InProcess::default();
    shared_reads::shared_reads_contract(&reads).await;
    assert_eq!(reads.generation("a").await, None, "other processes are not heard");
}

#[tokio::test]
async fn announcements_in_the_process() {
    let announcements = engines::announcements::in_process::InProcess::default();
    announcements::announcements_contract(&announcements, &announcements).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_log_in_postgres() {
    let pool = event_log::database().await;
    let log = || -> Arc<dyn EventLog> {
        Arc::new(engines::event_log::postgres::Postgres::new(
            pool.clone(),
            pool.clone(),
            POLL,
        ))
    };
    let (history, _files) = smartcourse_tests::history(&pool).unwrap();
    event_log::event_log_contract(&pool, log, &history).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn task_dispatch_in_postgres() {
    let pool = database().await;
    let dispatch = |pool: PgPool| -> Arc<dyn TaskDispatch> {
        Arc::new(engines::task_dispatch::postgres::Postgres::new(
            pool.clone(),
            pool,
            POLL,
        ))
    };
    task_dispatch::task_dispatch_contract(&task_dispatch::Scene::new(&pool, &dispatch)).await;
}
