//! What handlers share.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;
use smartcourse_platform::{
    batch::Batch, coalesce::Coalesce, config::Config, grpc::Actor, lifecycle::Lifecycle,
};
use smartcourse_proto::course::Course;
use tokio::sync::watch;

use crate::{
    Dependencies, Servers,
    auth::Verifier,
    config::Gateway,
    edge::{Bodies, Limits, Written},
    feeds::Feeds,
    stubs::Stubs,
};

/// Shared by all requests; a clone is a reference.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) stubs: Stubs,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) limits: Limits,
    pub(crate) bodies: Bodies,
    /// Courses with their seats, each also as it is sent.
    pub(crate) courses: Batch<i64, (Arc<Course>, Written)>,
    /// Publish statuses, as they are sent, by course and reader.
    pub(crate) publishes: Coalesce<(i64, Actor), Written>,
    /// Publishes that are followed.
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) servers: watch::Receiver<Servers>,
    pub(crate) life: Lifecycle,
    /// How long a request may take that does not stream.
    pub(crate) deadline: Duration,
    pub(crate) max_upload_bytes: u64,
}

impl App {
    pub(crate) fn new(config: &Config, gateway: &Gateway, deps: Dependencies, life: Lifecycle) -> Self {
        let Dependencies {
            stubs,
            rate_limits,
            announcements,
            servers,
            files,
            ..
        } = deps;
        let verifier = Arc::new(Verifier::new(stubs.user.clone(), announcements));
        let feeds = Arc::new(Feeds::new(gateway.user_streams));
        tokio::spawn(Arc::clone(&feeds).run(stubs.clone(), life.clone()));
        Self(Arc::new(Inner {
            verifier,
            limits: Limits::new(gateway, rate_limits),
            bodies: Bodies::new(gateway),
            courses: Batch::default(),
            publishes: Coalesce::default(),
            feeds,
            servers,
            life,
            // A handler may make several calls; the first that is too slow answers before this does, and so does a slow body.
            deadline: gateway.body_timeout() + config.grpc_timeout() + Duration::from_secs(5),
            max_upload_bytes: files.max_bytes,
            stubs,
        }))
    }
}

impl std::ops::Deref for App {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<App> for Arc<Verifier> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.verifier)
    }
}

impl FromRef<App> for Limits {
    fn from_ref(app: &App) -> Self {
        app.limits.clone()
    }
}

impl FromRef<App> for Bodies {
    fn from_ref(app: &App) -> Self {
        app.bodies.clone()
    }
}
