//! Internal calls: servers that demand the service token, clients that carry it, and the user a call acts for.

mod observed;
mod transport;

use std::sync::Arc;

use axum::{
    extract::State,
    middleware::{Next, from_fn, from_fn_with_state},
    response::IntoResponse,
};
use secrecy::{ExposeSecret, SecretString};
use smartcourse_proto::{Wire, ids::UserId, user::Role};
use smartcourse_telemetry::request::{accept_request_id, with_request_id};
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    error::{Error, Result, codes},
    http::REQUEST_ID,
    server::Names,
};

pub use smartcourse_proto::{MAX_MESSAGE, stubs::ServiceName};
use transport::TOKEN;
pub use transport::{Channels, LocalRouter, Transport, certificates};

const ACTOR: &str = "x-actor";

/// Whom a call acts for. The gateway is the only place that turns an access token into an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Actor {
    /// A workflow or another service, on behalf of nobody.
    Service,
    /// A reader without an account.
    Anonymous,
    /// A signed-in user.
    User {
        /// Who.
        id: UserId,
        /// As what.
        role: Role,
    },
}

impl Actor {
    /// The actor of a request; a call that names none is anonymous.
    pub fn of<T>(request: &Request<T>) -> Self {
        request
            .metadata()
            .get(ACTOR)
            .and_then(|value| value.to_str().ok())
            .and_then(Self::parse)
            .unwrap_or(Self::Anonymous)
    }

    fn parse(text: &str) -> Option<Self> {
        if text == "service" {
            return Some(Self::Service);
        }
        let (id, role) = text.strip_prefix("user:")?.split_once(':')?;
        Some(Self::User {
            id: UserId(id.parse().ok()?),
            role: Role::from_text(role)?,
        })
    }

    fn to_header(self) -> String {
        match self {
            Self::Service => "service".to_owned(),
            Self::Anonymous => "anonymous".to_owned(),
            Self::User { id, role } => format!("user:{id}:{}", role.as_text()),
        }
    }

    /// The signed-in user, or `unauthenticated`.
    pub fn user(self) -> Result<UserId> {
        match self {
            Self::User { id, .. } => Ok(id),
            Self::Service | Self::Anonymous => Err(Error::new(&codes::UNAUTHENTICATED, "sign in first")),
        }
    }

    fn role(self) -> Option<Role> {
        match self {
            Self::User { role, .. } => Some(role),
            Self::Service | Self::Anonymous => None,
        }
    }

    /// Whether this is an administrator or a service of ours.
    pub fn is_privileged(self) -> bool {
        self == Self::Service || self.role() == Some(Role::Admin)
    }

    /// Whether this is the given user, an administrator or a service of ours.
    pub fn is_self(self, user: UserId) -> bool {
        self.is_privileged() || matches!(self, Self::User { id, .. } if id == user)
    }

    /// Whether the courses of this instructor are the caller's to manage: the instructor, for as long as the role lasts, an
    /// administrator or a service of ours.
    pub fn owns(self, instructor: UserId) -> bool {
        self.is_privileged() || matches!(self, Self::User { id, role: Role::Instructor } if id == instructor)
    }

    /// `Ok` for services of ours only: what the workflows call.
    pub fn require_service(self) -> Result<()> {
        let refusal = || Error::new(&codes::FORBIDDEN, "only services of ours may call this");
        (self == Self::Service).then_some(()).ok_or_else(refusal)
    }

    /// `Ok` for administrators and services of ours. Whoever has not signed in is told to; others get the refusal.
    pub fn require_admin(self, refusal: impl FnOnce() -> Error) -> Result<()> {
        self.allow(self.is_privileged(), refusal)
    }

    /// `Ok` for whoever may create courses: instructors and administrators, by an account of their own.
    pub fn require_instructor(self) -> Result<()> {
        let may = matches!(self.role(), Some(Role::Instructor | Role::Admin));
        let refusal = || Error::new(&codes::FORBIDDEN, "only instructors create courses");
        self.allow(may, refusal)
    }

    /// `Ok` for the given user, administrators and services of ours; the others as in
    /// [`require_admin`](Self::require_admin).
    pub fn require_self(self, user: UserId, refusal: impl FnOnce() -> Error) -> Result<()> {
        self.allow(self.is_self(user), refusal)
    }

    /// `Ok` for whom [`owns`](Self::owns) names; the others as in [`require_admin`](Self::require_admin).
    pub fn require_owner(self, instructor: UserId, refusal: impl FnOnce() -> Error) -> Result<()> {
        self.allow(self.owns(instructor), refusal)
    }

    fn allow(self, allowed: bool, refusal: impl FnOnce() -> Error) -> Result<()> {
        if allowed {
            return Ok(());
        }
        self.user()?;
        Err(refusal())
    }

    /// A request that acts for this actor.
    pub fn request<T>(self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        if let Ok(value) = self.to_header().parse() {
            request.metadata_mut().insert(ACTOR, value);
        }
        request
    }
}

/// The message of a call that only the workflows and services of ours may make; `forbidden` for everybody else.
pub fn from_service<T>(request: Request<T>) -> Result<T> {
    Actor::of(&request).require_service()?;
    Ok(request.into_inner())
}

/// What an RPC answers.
pub type Reply<T> = Result<Response<T>, Status>;

/// The outcome of an operation as the answer of its RPC.
pub fn reply<T>(outcome: Result<T>) -> Reply<T> {
    outcome.map(Response::new).map_err(Status::from)
}

/// The services of one process, ready to be called.
pub struct Services {
    /// For everybody who can reach the port: health and reflection answer anybody, everything else demands the service
    /// token.
    pub network: axum::Router,
    /// For [`Transport::local`]: a call that never leaves the process has its request id already.
    pub local: axum::Router,
    /// What they answer to health checks.
    pub health: Health,
}

/// By what callers from the network are known.
#[derive(Debug, Clone)]
pub enum Callers {
    /// They carry the service token.
    Token(SecretString),
    /// One of the names in their certificate is among those that call the service.
    Named(fn(ServiceName) -> &'static [&'static str]),
}

/// The services of one process with health, reflection, the check who calls, and request ids.
pub async fn services(routes: Routes, names: &[&'static str], callers: Callers) -> Result<Services> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let health = Health {
        reporter,
        names: names.to_vec(),
    };
    health.set(true).await;
    health.set_transactions(true).await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(smartcourse_proto::DESCRIPTORS)
        .build_v1()
        .map_err(|error| Error::internal("the service descriptors are broken").because(error))?;
    let ours = routes
        .prepare()
        .into_axum_router()
        .layer(from_fn(observed::observe));
    let guarded = ours.clone().layer(from_fn_with_state(Arc::new(callers), guard));
    let open = Routes::new(health_service)
        .add_service(reflection)
        .prepare()
        .into_axum_router()
        .reset_fallback();
    Ok(Services {
        network: guarded.merge(open.clone()),
        local: ours.merge(open),
        health,
    })
}

/// The name under which health checks are told whether the transactions of the database go on; without it a service serves.
pub const TRANSACTIONS: &str = "smartcourse.transactions";

/// What the services of a process answer to health checks.
#[derive(Clone)]
pub struct Health {
    reporter: tonic_health::server::HealthReporter,
    names: Vec<&'static str>,
}

impl Health {
    /// Says whether the services can serve.
    pub async fn set(&self, serving: bool) {
        for name in &self.names {
            self.reporter.set_service_status(*name, status(serving)).await;
        }
    }

    /// Says whether every transaction goes on, or some stand still and hold their locks.
    pub async fn set_transactions(&self, going_on: bool) {
        self.reporter
            .set_service_status(TRANSACTIONS, status(going_on))
            .await;
    }
}

fn status(well: bool) -> tonic_health::ServingStatus {
    if well {
        tonic_health::ServingStatus::Serving
    } else {
        tonic_health::ServingStatus::NotServing
    }
}

impl Callers {
    /// Whether a request is of one of them.
    fn admit(&self, request: &axum::extract::Request) -> Result<()> {
        let refuse = |reason: String| Err(Error::new(&codes::UNAUTHENTICATED, reason));
        match self {
            Self::Token(token) => {
                let shown = request.headers().get(TOKEN).map(http::HeaderValue::as_bytes);
                if shown != Some(token.expose_secret().as_bytes()) {
                    return refuse("the service token is missing or wrong".to_owned());
                }
            }
            Self::Named(callers) => {
                let Names(names) = request.extensions().get().cloned().unwrap_or_default();
                let called = request.uri().path().split('/').nth(1).unwrap_or_default();
                let service = ServiceName::ALL
                    .into_iter()
                    .find(|service| service.protobuf() == called);
                let may = service.map_or(&[][..], callers);
                if !names.iter().any(|name| may.contains(&name.as_str())) {
                    return refuse(format!("no call of {called} is for `{}`", names.join(", ")));
                }
            }
        }
        Ok(())
    }
}

async fn guard(
    State(callers): State<Arc<Callers>>,
    request: axum::extract::Request,
    next: Next,
) -> axum::response::Response {
    if let Err(refusal) = callers.admit(&request) {
        return Status::from(refusal)
            .into_http::<axum::body::Body>()
            .into_response();
    }
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let id = accept_request_id(id);
    with_request_id(id, next.run(request)).await
}
