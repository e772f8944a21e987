//! Internal calls: servers that demand the service token, clients that carry it, and the user a call acts for.

use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use axum::{extract::State, middleware::Next, response::IntoResponse};
use futures::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use smartcourse_proto::{Wire, ids::UserId, user::Role};
use tokio::net::TcpListener;
use tonic::{
    Request, Status,
    body::Body,
    service::Routes,
    transport::{Channel, Endpoint},
};
use tower::Service;
use tracing::Instrument;

use crate::{
    config::Grpc,
    error::{Error, Result, codes},
    http::{REQUEST_ID, accept_trace_id, new_trace_id, trace_id, with_trace_id},
    lifecycle::Lifecycle,
    server::{self, Limits},
};

/// Largest gRPC message: a course's content may be several megabytes.
pub const MAX_MESSAGE: usize = 32 * 1024 * 1024;

/// Largest header list of an answer.
const MAX_HEADERS: u32 = 1024 * 1024;

const TOKEN: &str = "x-service-token";
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

    /// Whether this is an administrator or a service of ours.
    pub fn is_privileged(self) -> bool {
        matches!(
            self,
            Self::Service
                | Self::User {
                    role: Role::Admin,
                    ..
                }
        )
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
        match self {
            Self::Service => Ok(()),
            _ => Err(Error::new(&codes::FORBIDDEN, "only the workflows may call this")),
        }
    }

    /// `Ok` for administrators and services of ours. Whoever has not signed in is told to; others get the refusal.
    pub fn require_admin(self, refusal: impl FnOnce() -> Error) -> Result<()> {
        self.allow(self.is_privileged(), refusal)
    }

    /// `Ok` for whoever may create courses: instructors and administrators, by an account of their own.
    pub fn require_instructor(self) -> Result<()> {
        let may = matches!(
            self,
            Self::User {
                role: Role::Instructor | Role::Admin,
                ..
            }
        );
        self.allow(may, || {
            Error::new(&codes::FORBIDDEN, "only instructors create courses")
        })
    }

    /// `Ok` for the given user, administrators and services of ours; the others as in [`require_admin`].
    ///
    /// [`require_admin`]: Self::require_admin
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

/// The message of a call that only the workflows and services of ours may make.
///
/// # Errors
/// `forbidden` for everybody else.
pub fn from_workflow<T>(request: Request<T>) -> Result<T> {
    Actor::of(&request).require_service()?;
    Ok(request.into_inner())
}

/// Serves until the process stops, then finishes what is in flight.
///
/// Health and reflection answer anybody; everything else demands the service token.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: axum::Router, life: Lifecycle) -> std::io::Result<()> {
    server::serve(listener, router, Limits::INTERNAL, life).await
}

/// The services of one process, ready to be called.
pub struct Services {
    /// For everybody who can reach the port: demands the service token.
    pub network: axum::Router,
    /// For [`Transport::local`]: a call that never leaves the process has its request id and span already.
    pub local: axum::Router,
    /// What they answer to health checks.
    pub health: Health,
}

/// The services of one process with health, reflection, token check and request ids.
///
/// # Errors
/// When the compiled descriptors cannot be read.
pub async fn services(routes: Routes, names: &[&'static str], token: SecretString) -> Result<Services> {
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
    let ours = routes.prepare().into_axum_router();
    let guarded = ours
        .clone()
        .layer(axum::middleware::from_fn_with_state(Arc::new(token), guard));
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

async fn guard(
    State(token): State<Arc<SecretString>>,
    request: axum::extract::Request,
    next: Next,
) -> axum::response::Response {
    // Read before the await: the request's body is not Sync, so no borrow of it may live across one.
    let (known, id) = {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        (
            header(TOKEN) == Some(token.expose_secret()),
            accept_trace_id(header(REQUEST_ID)),
        )
    };
    if !known {
        return Status::from(Error::new(
            &codes::UNAUTHENTICATED,
            "the service token is missing or wrong",
        ))
        .into_http::<axum::body::Body>()
        .into_response();
    }
    let span = tracing::info_span!("grpc", request_id = %id, path = %request.uri().path());
    with_trace_id(id, next.run(request).instrument(span)).await
}

/// A way to a service: over the network, or straight into the same process.
///
/// Each call gets a deadline; over the network it carries the service token and the request id.
#[derive(Clone)]
pub struct Transport {
    way: Way,
    token: Arc<SecretString>,
    timeout: Duration,
}

/// The services of this process, known once all of them are made: they call each other.
pub type LocalRouter = Arc<OnceLock<axum::Router>>;

#[derive(Clone)]
enum Way {
    Remote(Channel),
    Local(LocalRouter),
}

impl Transport {
    /// A channel that connects when it is first used and again whenever it has to.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn remote(config: &Grpc, address: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Error::internal(format!("`{address}` is not an address")).because(error))?
            .connect_timeout(Duration::from_secs(2))
            // Errors travel in headers, with every field that is wrong.
            .http2_max_header_list_size(MAX_HEADERS)
            .tcp_nodelay(true);
        Ok(Self::new(config, Way::Remote(endpoint.connect_lazy())))
    }

    /// The services of this very process, called without a socket.
    pub fn local(config: &Grpc, router: LocalRouter) -> Self {
        Self::new(config, Way::Local(router))
    }

    /// The same way for calls that may take long and are watched by other means.
    #[must_use]
    pub fn with_deadline(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn new(config: &Grpc, way: Way) -> Self {
        Self {
            way,
            token: Arc::new(config.service_token.clone()),
            timeout: Duration::from_secs(config.timeout_seconds),
        }
    }
}

impl Service<http::Request<Body>> for Transport {
    type Response = http::Response<Body>;
    type Error = tower::BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match &mut self.way {
            Way::Remote(channel) => {
                Service::<http::Request<Body>>::poll_ready(channel, context).map_err(Into::into)
            }
            Way::Local(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let timeout = self.timeout;
        let answer: Self::Future = match &mut self.way {
            Way::Remote(channel) => {
                let headers = request.headers_mut();
                if let Ok(value) = self.token.expose_secret().parse() {
                    headers.insert(TOKEN, value);
                }
                if let Ok(value) = trace_id().parse() {
                    headers.insert(REQUEST_ID, value);
                }
                let call = channel.call(request);
                Box::pin(async move { call.await.map_err(Into::into) })
            }
            Way::Local(router) => {
                let Some(mut router) = router.get().cloned() else {
                    return Box::pin(async {
                        Ok(Status::unavailable("the services are starting").into_http())
                    });
                };
                let call = async move {
                    let response = router
                        .call(request)
                        .await
                        .map_err(|never: Infallible| match never {})?;
                    Ok(response.map(Body::new))
                };
                match trace_id().is_empty() {
                    // Nobody's request: background work gets an id of its own.
                    true => Box::pin(with_trace_id(new_trace_id(), call)),
                    false => Box::pin(call),
                }
            }
        };
        // The deadline covers the head of the answer: a stream may go on for longer.
        Box::pin(async move {
            match tokio::time::timeout(timeout, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Status::deadline_exceeded("no answer in time").into_http()),
            }
        })
    }
}

/// Shorthand for clients with the message limits of this system.
#[macro_export]
macro_rules! grpc_client {
    ($client:ty, $transport:expr) => {
        <$client>::new($transport)
            .max_decoding_message_size($crate::grpc::MAX_MESSAGE)
            .max_encoding_message_size($crate::grpc::MAX_MESSAGE)
    };
}
