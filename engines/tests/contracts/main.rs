//! The contracts of the engine ports, each a function over the trait: an adapter is right when it passes its suite.
//! Here they run on the embedded adapters. An adapter for another engine adds one `#[tokio::test]` per port.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod cache;
mod documents;
mod files;
mod mail;
mod messages;
mod search;
mod vectors;

use std::time::Duration;

use bytes::Bytes;
use smartcourse_platform::{
    engines::{
        self,
        cache::{Cache as _, InProcess},
        files::{FilePath, ObjectStoreExt as _, PutPayload},
    },
    postgres,
};
use smartcourse_proto::ids::{CourseId, VersionId};
use smartcourse_tests::wait_for;
use sqlx::PgPool;

async fn database() -> PgPool {
    let pool = smartcourse_tests::database().await.unwrap();
    postgres::migrator().run(&pool).await.unwrap();
    pool
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
    documents::documents_contract(&engines::documents::Postgres::new(database().await)).await;
}

#[tokio::test]
async fn vectors_in_postgres() {
    vectors::vectors_contract(&engines::vectors::Postgres::new(database().await)).await;
}

#[tokio::test]
async fn search_in_postgres() {
    let index = engines::search::Postgres::new(database().await);
    search::search_contract(&index).await;
    search::rank_contract(&index).await;
}

#[tokio::test]
async fn files_in_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("made/when/missing");
    files::files_contract(engines::files::directory(&root).unwrap()).await;
    files::broken_writes_go(&root);
    // A path out of the directory is a strange name inside of it.
    let store = engines::files::directory(&root).unwrap();
    store
        .put(&FilePath::from("../../escaped"), PutPayload::from_static(b"x"))
        .await
        .unwrap();
    assert!(!dir.path().join("made/escaped").exists());
    // A file as the root is refused.
    std::fs::write(dir.path().join("file"), "x").unwrap();
    assert!(engines::files::directory(&dir.path().join("file")).is_err());
}

#[tokio::test]
async fn cache_in_process() {
    cache::cache_contract(&InProcess::new(100, Duration::from_secs(600))).await;
    let brief = InProcess::new(100, Duration::from_millis(1));
    brief.put("k", Bytes::from_static(b"v")).await;
    wait_for("the value to be too old", async || -> anyhow::Result<_> {
        Ok(brief
            .get("k")
            .await
            .map_or(Ok(()), |_| Err("still there".to_owned())))
    })
    .await
    .unwrap();
}
