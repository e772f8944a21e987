//! A service by itself: what the services next door answer is a few lines each, and what time it is the test says.

use std::{fmt::Debug, future::Future, sync::Mutex, sync::PoisonError, time::Duration};

use axum::{Router, extract::Request, routing::post};
use smartcourse_platform::{
    Error,
    clock::Clock,
    config::Config,
    grpc::{LocalRouter, Transport},
};
use sqlx::types::time::OffsetDateTime;
use tonic::{Response, Status, server::Grpc};
use tonic_prost::ProstCodec;

/// The services next door. A method nobody answers is unimplemented.
#[derive(Clone, Default)]
pub struct Neighbours(Router);

impl Neighbours {
    /// Answers a unary method, such as `smartcourse.user.UserService/GetUser`.
    #[must_use]
    pub fn answer<Q, A, F, O>(self, method: &str, answer: F) -> Self
    where
        Q: prost::Message + Default + Send + 'static,
        A: prost::Message + Default + Send + 'static,
        F: Fn(Q) -> O + Clone + Send + Sync + 'static,
        O: Future<Output = Result<A, Status>> + Send + 'static,
    {
        let route = post(async move |request: Request| {
            let service = tower::service_fn(move |request: tonic::Request<Q>| {
                let reply = answer(request.into_inner());
                async move { reply.await.map(Response::new) }
            });
            Grpc::new(ProstCodec::default()).unary(service, request).await
        });
        Self(self.0.route(&format!("/{method}"), route))
    }

    /// The way to all of them.
    pub fn transport(&self, config: &Config) -> Transport {
        local(config, self.0.clone())
    }
}

/// The way to a service of this process: `Routes::new(service).into_axum_router()`.
pub fn local(config: &Config, service: Router) -> Transport {
    let router = LocalRouter::default();
    // It is new, so nothing was set before.
    drop(router.set(service));
    Transport::local(&config.grpc, router)
}

/// The error a call was refused with.
///
/// # Panics
/// When it was not refused.
#[track_caller]
pub fn refusal<T: Debug>(answer: Result<T, Status>) -> Error {
    Error::from(answer.expect_err("a refusal"))
}

/// A clock that stands still until it is moved on.
pub struct StoppedClock(Mutex<OffsetDateTime>);

impl Default for StoppedClock {
    fn default() -> Self {
        Self(Mutex::new(OffsetDateTime::now_utc()))
    }
}

impl StoppedClock {
    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> OffsetDateTime {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
