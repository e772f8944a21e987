//! `smartcourse health`, as a container engine asks it.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Result, ensure};
use axum::{Router, http::StatusCode, routing::get};
use tokio::{net::TcpListener, process::Command};

use crate::executable;

/// Longer than it may take whatever happens.
const DEADLINE: Duration = Duration::from_secs(10);

/// Whether it says yes about a process that listens there, and what it says else.
async fn asked(at: SocketAddr, args: &[&str]) -> Result<(bool, String)> {
    let mut command = Command::new(executable());
    command
        .arg("health")
        .args(args)
        .env(
            "SMARTCOURSE_TELEMETRY__METRICS_LISTEN",
            format!("0.0.0.0:{}", at.port()),
        )
        // It does not go out to ask who is beside it.
        .env("HTTP_PROXY", "http://127.0.0.1:9");
    let output = tokio::time::timeout(DEADLINE, command.output()).await??;
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

#[tokio::test]
async fn it_says_what_the_process_says() -> Result<()> {
    let away = || async { (StatusCode::SERVICE_UNAVAILABLE, "the database is away") };
    let app = Router::new()
        .route("/livez", get(|| async { "alive" }))
        .route("/readyz", get(away));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let at = listener.local_addr()?;
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let (is_ready, told) = asked(at, &[]).await?;
    ensure!(
        !is_ready && told.contains("503") && told.contains("the database is away"),
        "{told}"
    );
    let (is_alive, told) = asked(at, &["--live"]).await?;
    ensure!(is_alive && told.is_empty(), "{told}");
    server.abort();
    Ok(())
}

#[tokio::test]
async fn nobody_and_somebody_silent_are_not_well() -> Result<()> {
    // The kernel takes the connection, and nobody ever reads it.
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let at = silent.local_addr()?;
    let (is_ready, told) = asked(at, &[]).await?;
    ensure!(!is_ready && told.contains("it does not answer"), "{told}");
    drop(silent);
    let (is_ready, told) = asked(at, &[]).await?;
    ensure!(!is_ready && told.contains("it does not answer"), "{told}");
    Ok(())
}
