//! The bare route: axum and one read of the course's row, in a process of its own.

use std::{
    path::Path as FilePath,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use serde_json::{Value, json};
use smartcourse_launcher::free_port;
use sqlx::{ConnectOptions as _, PgPool, Row as _, postgres::PgPoolOptions};
use tokio::net::TcpListener;

/// Where the process listens.
const LISTEN: &str = "SMARTCOURSE_BENCH_LISTEN";
/// Connections of its pool, as many as each service has.
const CONNECTIONS: u32 = 8;

/// Serves until the parent closes standard input.
///
/// # Errors
/// When it was not started by the measurement.
pub(crate) async fn serve() -> Result<()> {
    let url = std::env::var("DATABASE_URL").context("`bare` is started by `http`")?;
    let address = std::env::var(LISTEN).context("`bare` is started by `http`")?;
    let pool = PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .connect(&url)
        .await?;
    let router = Router::new().route("/courses/{id}", get(course)).with_state(pool);
    let listener = TcpListener::bind(address).await?;
    let parent = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { drop(parent.await) })
        .await?;
    Ok(())
}

async fn course(State(pool): State<PgPool>, Path(id): Path<i64>) -> Result<Json<Value>, StatusCode> {
    let row = sqlx::query(
        "select id, instructor_id, title, description, category, level, published_version, revision
         from course.courses where id = $1",
    )
    .bind(id)
    .fetch_optional(&pool)
    .await
    .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?
    .ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({
        "id": row.get::<i64, _>("id"),
        "instructor_id": row.get::<i64, _>("instructor_id"),
        "title": row.get::<String, _>("title"),
        "description": row.get::<String, _>("description"),
        "category": row.get::<Option<String>, _>("category"),
        "level": row.get::<Option<String>, _>("level"),
        "published_version": row.get::<Option<i32>, _>("published_version"),
        "revision": row.get::<i64, _>("revision"),
    })))
}

/// The process; dropping it ends it.
pub(crate) struct Bare {
    child: Child,
    /// `host:port`.
    pub(crate) address: String,
}

impl Bare {
    /// Starts it over the database of the pool and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) async fn start(own: &FilePath, pool: &PgPool) -> Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let url = pool.connect_options().to_url_lossy();
        let child = Command::new(own)
            .arg("bare")
            .env("DATABASE_URL", url.as_str())
            .env(LISTEN, &address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context("cannot start the bare route")?;
        let bare = Self { child, address };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(&bare.address).await.is_ok() {
                return Ok(bare);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        anyhow::bail!("the bare route does not listen")
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // A process that is gone already is what was wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
