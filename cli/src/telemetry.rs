//! What a process says of itself: logs, traces, and `/metrics`, `/livez` and `/readyz` on a port of its own.

use anyhow::{Context as _, Result};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde_json::json;
use smartcourse_platform::{config::Telemetry, lifecycle::Lifecycle, postgres, server};
use smartcourse_telemetry::{
    exporter::{self, Metrics},
    logs::{self, Sending},
    trace::Traces,
};
use tokio::net::TcpListener;

/// The commit this executable was made from.
const COMMIT: &str = env!("SMARTCOURSE_COMMIT");

/// Installs the subscriber of the process; what is left of traces is sent when the answer is dropped. Fails when they have no way.
pub(crate) fn init(config: &Telemetry, role: &'static str) -> Result<Sending> {
    let traces = (!config.otlp_endpoint.is_empty()).then_some(Traces {
        endpoint: &config.otlp_endpoint,
        ratio: config.trace_ratio,
        role,
    });
    logs::init(
        &config.log,
        config.log_format,
        traces.as_ref(),
        smartcourse_worker::span_ids(),
    )
    .context("telemetry.otlp_endpoint")
}

/// Records what this process does from here on, and answers whoever asks for it, or how it is, on this port.
pub(crate) fn serve(listener: TcpListener, role: &'static str, life: &Lifecycle) -> Result<()> {
    postgres::observe_pools();
    let metrics = exporter::install(env!("CARGO_PKG_VERSION"), COMMIT, role)?;
    let app = Router::new()
        .route("/metrics", get(text))
        .with_state(metrics)
        .route("/livez", get(|| async { "the process lives\n" }))
        .route("/readyz", get(ready).with_state(life.clone()));
    let answered = server::serve(listener, app, server::Limits::ASIDE, None, life.clone());
    life.spawn("telemetry", answered);
    Ok(())
}

async fn text(State(metrics): State<Metrics>) -> impl IntoResponse {
    postgres::record_pools();
    ([("content-type", "text/plain; version=0.0.4")], metrics.render())
}

/// Ready is what goes on with all it does.
async fn ready(State(life): State<Lifecycle>) -> impl IntoResponse {
    let still = life.standing_still();
    let (status, word) = match still.is_empty() {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "standing_still"),
    };
    (status, Json(json!({ "status": word, "standing_still": still })))
}
