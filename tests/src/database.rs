//! One PostgreSQL for all tests of a process, a database for each.

use std::time::Duration;

use anyhow::{Context as _, Result};
use smartcourse_launcher::{DataDir, DirLock, Postgres, Progress, ensure_postgres, free_port};
use sqlx::{Connection as _, PgConnection, PgPool};
use tempfile::TempDir;
use tokio::sync::OnceCell;

struct Shared {
    postgres: Postgres,
    // A static is never dropped: the directory stays, and its lock tells the next process that nobody needs it.
    _lock: DirLock,
}

/// Start of the names of clusters' directories.
const CLUSTER: &str = "smartcourse-test-pg-";
/// Age at which a cluster nobody holds is left behind.
const FRESH: Duration = Duration::from_secs(60);

static SHARED: OnceCell<Shared> = OnceCell::const_new();

/// Tools are installed once per machine, where `smartcourse up` installs them.
pub(crate) async fn tools() -> Result<DataDir> {
    Ok(DataDir::open(smartcourse_launcher::default_data_dir())?)
}

async fn shared() -> Result<&'static Shared> {
    SHARED
        .get_or_try_init(|| async {
            let binaries = ensure_postgres(&tools().await?, &Progress::plain()).await?;
            remove_left_behind()?;
            let dir = DataDir::open(TempDir::with_prefix(CLUSTER)?.keep())?;
            let lock = dir.lock()?;
            let postgres = Postgres::start(&binaries, &dir, Some(free_port()?)).await?;
            Ok(Shared {
                postgres,
                _lock: lock,
            })
        })
        .await
}

/// Removes the clusters of test processes that have ended. One whose lock is younger than [`FRESH`] may only just be made.
fn remove_left_behind() -> Result<()> {
    for entry in std::fs::read_dir(std::env::temp_dir())? {
        let path = entry?.path();
        let is_cluster = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(CLUSTER));
        let is_old = std::fs::metadata(path.join("lock"))
            .and_then(|lock| lock.modified())
            .is_ok_and(|since| since.elapsed().is_ok_and(|age| age > FRESH));
        if is_cluster && is_old && DataDir::open(&path)?.lock().is_ok() {
            // Another process may be removing it as well.
            std::fs::remove_dir_all(&path)
                .or_else(|error| if path.exists() { Err(error) } else { Ok(()) })?;
        }
    }
    Ok(())
}

/// Makes an empty database on the shared PostgreSQL; answers its URL.
pub(crate) async fn create_database() -> Result<String> {
    let shared = shared().await?;
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let mut admin = PgConnection::connect(&shared.postgres.url).await?;
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}")))
        .execute(&mut admin)
        .await?;
    let (server, _) = shared
        .postgres
        .url
        .rsplit_once('/')
        .context("a database URL has a path")?;
    Ok(format!("{server}/{name}"))
}

/// A fresh, empty database for a test that needs no process of SmartCourse.
///
/// # Errors
/// When PostgreSQL does not start or refuses the database.
pub async fn database() -> Result<PgPool> {
    Ok(PgPool::connect(&create_database().await?).await?)
}
