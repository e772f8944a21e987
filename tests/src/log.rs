//! The event log, for the rules of services: what was written to it, and what a consumer makes of it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde::Serialize;
use serde_json::Value;
use smartcourse_engines::{
    event_log::{
        history::History,
        postgres::{deliver_batch, place},
    },
    files::directory::Directory,
};
use smartcourse_platform::{events::Consumer, outbox, postgres};
use sqlx::PgPool;
use tempfile::TempDir;

/// The payloads of the events of a type, in the order in which they were written.
///
/// # Errors
/// When PostgreSQL refuses.
pub async fn events(pool: &PgPool, kind: &str) -> Result<Vec<Value>> {
    let payloads = "select payload from platform.events where type = $1 order by seq";
    Ok(sqlx::query_scalar(payloads).bind(kind).fetch_all(pool).await?)
}

/// The whole event log of a database, and the directory its old months go to: it is there for as long as what is answered.
///
/// # Errors
/// When a directory cannot be made.
pub fn history(pool: &PgPool) -> Result<(History, TempDir)> {
    let directory = tempfile::tempdir()?;
    let files = Directory::open(directory.path())?;
    Ok((History::new(pool.clone(), Arc::new(files)), directory))
}

/// Writes an event and lets a consumer hear of everything so far.
///
/// # Errors
/// When PostgreSQL refuses, or the consumer does.
pub async fn tell(
    pool: &PgPool,
    consumer: &dyn Consumer,
    kind: &str,
    key: &str,
    event: &impl Serialize,
) -> Result<()> {
    let mut tx = postgres::begin(pool).await?;
    outbox::put_event(&mut tx, kind, key, event).await?;
    tx.commit().await?;
    place(pool).await?;
    while deliver_batch(pool, consumer).await?.more {}
    let parked: i64 = sqlx::query_scalar("select count(*) from platform.parked_events")
        .fetch_one(pool)
        .await?;
    ensure!(parked == 0, "an event was parked");
    Ok(())
}
