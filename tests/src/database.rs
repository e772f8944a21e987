//! One PostgreSQL for all tests of a process, a database for each.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use smartcourse_launcher::{Claim, DataDir, Postgres, Progress, ensure_postgres, ensure_temporal, free_port};
use sqlx::{Connection as _, PgConnection, PgPool, migrate::Migrator};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

struct Shared {
    postgres: Postgres,
    // A static is never dropped: the directory stays, and its lock tells the next process that nobody needs it.
    _lock: Claim,
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

/// Installs the servers, for a process that will have no network to fetch them over.
///
/// # Errors
/// When one cannot be had.
pub async fn install() -> Result<()> {
    let (tools, progress) = (tools().await?, Progress::plain());
    ensure_postgres(&tools, &progress).await?;
    ensure_temporal(&tools, &progress).await?;
    Ok(())
}

async fn shared() -> Result<&'static Shared> {
    SHARED
        .get_or_try_init(|| async {
            let binaries = ensure_postgres(&tools().await?, &Progress::plain()).await?;
            // Beside the tests: on a busy disk it takes longer than they do, and what is left when they end is the next one's.
            std::thread::spawn(remove_left_behind);
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

/// Removes the clusters of test processes that have ended. One whose lock is younger than a minute may only just be made.
///
/// # Errors
/// When a directory cannot be read or removed.
pub fn remove_left_behind() -> Result<()> {
    for entry in std::fs::read_dir(std::env::temp_dir())? {
        let path = entry?.path();
        let is_cluster = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(CLUSTER));
        let is_old = std::fs::metadata(path.join("lock"))
            .and_then(|lock| lock.modified())
            .is_ok_and(|since| since.elapsed().is_ok_and(|age| age > FRESH));
        if is_cluster
            && is_old
            && let Ok(_lock) = DataDir::open(&path)?.lock()
        {
            // The lock goes last: whoever dies meanwhile leaves a directory that is still known as left behind.
            std::fs::remove_dir_all(path.join("postgres"))?;
            std::fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Makes a database on the shared PostgreSQL, empty or a copy; answers its URL.
async fn create(name: &str, template: Option<&str>) -> Result<String> {
    let shared = shared().await?;
    let mut admin = PgConnection::connect(&shared.postgres.url).await?;
    let copied = template
        .map(|template| format!(" template {template}"))
        .unwrap_or_default();
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}{copied}")))
        .execute(&mut admin)
        .await?;
    let (server, _) = shared
        .postgres
        .url
        .rsplit_once('/')
        .context("a database URL has a path")?;
    Ok(format!("{server}/{name}"))
}

fn name() -> String {
    format!("t{}", uuid::Uuid::new_v4().simple())
}

/// Makes an empty database; answers its URL.
pub(crate) async fn create_database() -> Result<String> {
    create(&name(), None).await
}

/// A fresh, empty database for a test that needs no process of SmartCourse.
///
/// # Errors
/// When PostgreSQL does not start or refuses the database.
pub async fn database() -> Result<PgPool> {
    Ok(PgPool::connect(&create_database().await?).await?)
}

/// A fresh database with the schemas of the platform and a service: a copy of a template, which is migrated once per process
/// and schema. From then on this process's PostgreSQL does not wait for the disk: measure nothing there.
///
/// # Errors
/// When PostgreSQL does not start or refuses, or a migration fails.
pub async fn migrated(schema: &Migrator) -> Result<PgPool> {
    static TEMPLATES: Mutex<BTreeMap<Vec<u8>, String>> = Mutex::const_new(BTreeMap::new());
    let key: Vec<u8> = schema.iter().flat_map(|one| one.checksum.to_vec()).collect();
    let mut templates = TEMPLATES.lock().await;
    let template = match templates.get(&key) {
        Some(template) => template.clone(),
        None => {
            let template = name();
            let pool = PgPool::connect(&create(&template, None).await?).await?;
            // Nobody cuts the power here, and a busy disk is what such tests would wait for most.
            sqlx::query("alter system set fsync = off").execute(&pool).await?;
            sqlx::query("select pg_reload_conf()").execute(&pool).await?;
            smartcourse_platform::postgres::migrator().run(&pool).await?;
            schema.run(&pool).await?;
            // Nothing may be connected to what is copied.
            pool.close().await;
            templates.insert(key, template.clone());
            template
        }
    };
    // One copy at a time: PostgreSQL refuses a second one of a template that is being read.
    let url = create(&name(), Some(&template)).await?;
    drop(templates);
    Ok(PgPool::connect(&url).await?)
}
