//! Probes.

use std::{collections::BTreeMap, time::Duration};

use axum::extract::State;
use futures::future::join_all;
use serde_json::{Map, Value, json};
use smartcourse_platform::{Error, Result};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{codes, edge::Json, state::App, stubs::Probe};

pub(crate) fn operations() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
}

/// A service that takes longer to say that it is well is not.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the process lives
#[utoipa::path(get, path = "/livez", tag = "operations", responses((status = 200, body = Object)))]
async fn livez() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Whether every service answers; else 503 with the names of those that do not
///
/// `degraded` when transactions of the database stand still and hold their locks, or one of the `servers` that were named does not
/// answer: everybody is served who needs none of them.
#[utoipa::path(get, path = "/readyz", tag = "operations", responses((status = 200, body = Object)))]
async fn readyz(State(app): State<App>) -> Result<Json<Value>> {
    if app.life.token().is_cancelled() {
        return Err(Error::new(&codes::UNAVAILABLE, "stopping").with_fact("down", json!(["gateway"])));
    }
    let probes = app
        .stubs
        .probes
        .iter()
        .map(|probe| async move { (probe.name, answers(probe).await) });
    let states = join_all(probes).await;
    let down: Vec<&str> = states
        .iter()
        .filter(|(_, up)| !up)
        .map(|(name, _)| *name)
        .collect();
    let services: Map<String, Value> = states
        .iter()
        .map(|(name, up)| ((*name).to_owned(), json!(up_or_down(*up))))
        .collect();
    if down.is_empty() {
        // They serve: taking all of them out for one lock would serve nobody.
        let well = answers(&app.stubs.transactions).await;
        let servers = app.servers.borrow().clone();
        let status = if well && servers.values().all(|up| *up) {
            "ok"
        } else {
            "degraded"
        };
        let transactions = if well { "going_on" } else { "standing_still" };
        let servers: BTreeMap<&str, &str> = servers
            .into_iter()
            .map(|(name, up)| (name, up_or_down(up)))
            .collect();
        return Ok(Json(
            json!({ "status": status, "services": services, "servers": servers, "transactions": transactions }),
        ));
    }
    Err(
        Error::new(&codes::UNAVAILABLE, format!("down: {}", down.join(", ")))
            .with_fact("down", json!(down))
            .with_fact("services", Value::Object(services)),
    )
}

fn up_or_down(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

async fn answers(probe: &Probe) -> bool {
    let mut client = HealthClient::new(probe.channel.clone());
    let check = client.check(HealthCheckRequest {
        service: probe.service.to_owned(),
    });
    let Ok(Ok(answer)) = tokio::time::timeout(PATIENCE, check).await else {
        return false;
    };
    answer.get_ref().status() == ServingStatus::Serving
}
