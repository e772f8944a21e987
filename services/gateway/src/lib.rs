//! The gateway: the only public face. It turns HTTP and access tokens into gRPC calls that name their actor, composes
//! what needs several services, and keeps no state of its own.

mod access;
mod auth;
pub mod codes;
pub mod config;
mod edge;
mod feeds;
mod openapi;
mod routes;
mod sending;
mod state;
mod stubs;

use std::{collections::BTreeMap, sync::Arc};

use axum::{Extension, Router, middleware};
use edge::{MaxBytes, Proxies, SMALL};
pub use openapi::{Errors, Files};
use smartcourse_platform::{
    Result,
    config::Config,
    http::request_id,
    lifecycle::Lifecycle,
    ports::{announcements::Announcements, rate_limits::RateLimits},
};
use state::App;
pub use stubs::Stubs;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;

/// The servers that were named, by what people call them, and whether each answers.
pub type Servers = BTreeMap<&'static str, bool>;

/// The OpenAPI 3.1 document of everything this gateway serves.
pub fn openapi() -> serde_json::Value {
    let (_, document) = routes::all().split_for_parts();
    openapi::finish(document)
}

/// What the gateway stands on.
pub struct Dependencies {
    /// The services.
    pub stubs: Stubs,
    /// How often callers may come.
    pub rate_limits: Arc<dyn RateLimits>,
    /// What gateways tell each other.
    pub announcements: Arc<dyn Announcements>,
    /// The servers that were named.
    pub servers: watch::Receiver<Servers>,
    /// Every error code there is.
    pub errors: Errors,
    /// Which files the content service takes.
    pub files: Files,
}

/// The whole public face. Serve it with [`smartcourse_platform::server::serve`]: limits of callers without a token are per
/// address.
///
/// # Errors
/// When the settings of the gateway were not declared.
pub fn router(config: &Config, deps: Dependencies, life: Lifecycle) -> Result<Router> {
    let gateway: config::Gateway = config.section()?;
    let (errors, files) = (deps.errors.clone(), deps.files.clone());
    let app = App::new(config, &gateway, deps, life);
    let bounded = |mut routes: OpenApiRouter<App>, bytes| {
        openapi::bound(routes.get_openapi_mut(), &gateway, bytes);
        routes.layer(Extension(MaxBytes(bytes)))
    };
    let quick = bounded(routes::open(), SMALL)
        .merge(bounded(routes::quick(), gateway.max_small_body_bytes))
        .merge(bounded(routes::large(), gateway.max_body_bytes))
        .layer(middleware::from_fn_with_state(app.deadline, edge::deadline));
    let slow = bounded(routes::slow(), gateway.max_small_body_bytes);
    let (api, mut document) = quick.merge(slow).split_for_parts();
    let api = api
        .fallback(edge::not_found)
        .layer(middleware::from_fn_with_state(app.clone(), edge::admit));
    let (operations, operations_document) = routes::operations().split_for_parts();
    document.merge(operations_document);
    // Probes and pages are outside of the limits: a busy gateway must still say that it lives.
    Ok(Router::new()
        .merge(openapi::pages(
            &openapi::with_files(openapi::finish(document), &files),
            &errors,
        ))
        .merge(operations)
        .merge(api)
        .method_not_allowed_fallback(edge::method_not_allowed)
        .layer(edge::catch_panic())
        .layer(middleware::from_fn(edge::close_unread))
        .layer(middleware::from_fn(edge::measure))
        .layer(middleware::from_fn(request_id))
        .layer(middleware::from_fn_with_state(
            Proxies::new(&gateway),
            edge::forwarded,
        ))
        .with_state(app))
}
