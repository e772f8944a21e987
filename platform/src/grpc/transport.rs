//! Channels to services, over the network or within the process.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use smartcourse_proto::stubs::ServiceName;
use smartcourse_telemetry::{
    request::{new_request_id, request_id, with_request_id},
    trace,
};
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::{Service, ServiceExt as _};

use crate::{
    config::Grpc,
    error::{Error, Result},
    http::REQUEST_ID,
    tls::Certificates,
};

/// Largest header list of an answer.
const MAX_HEADERS: u32 = 1024 * 1024;

/// An address that is silent for so long is asked whether it is there, and given up after as long again: a frozen process
/// accepts connections, and takes no part in them.
const SILENCE: Duration = Duration::from_secs(5);
/// Pause before one of several addresses is asked again how it is, and how long it may take to say so.
const PROBE: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(2);

/// The certificates of internal calls, if they are encrypted.
///
/// # Errors
/// When they cannot be used.
pub fn certificates(config: &Grpc) -> Result<Option<Arc<Certificates>>> {
    let files = config.certificates();
    files
        .map(|files| Certificates::open(files, b"h2").map(Arc::new))
        .transpose()
}

/// The header of the service token.
pub(super) const TOKEN: &str = "x-service-token";

/// A channel to a service: over the network, or straight into the same process. Each call gets a deadline; over the
/// network it carries the service token and the request id.
#[derive(Clone)]
pub struct Transport {
    route: Route,
    token: Arc<SecretString>,
    timeout: Duration,
}

/// The channel to every service, each opened once: its clones share a connection.
pub struct Channels(BTreeMap<ServiceName, Transport>);

impl Channels {
    /// Opens them.
    pub fn open<E>(channel: impl Fn(ServiceName) -> Result<Transport, E>) -> Result<Self, E> {
        let channels = ServiceName::ALL.into_iter();
        let channels = channels.map(|service| Ok((service, channel(service)?)));
        channels.collect::<Result<_, E>>().map(Self)
    }

    /// The channel to a service.
    pub fn to(&self, service: ServiceName) -> Transport {
        self.0[&service].clone()
    }
}

/// The services of this process, known once all of them are made: they call each other.
pub type LocalRouter = Arc<OnceLock<axum::Router>>;

#[derive(Clone)]
enum Route {
    Remote(Arc<Addresses>),
    Local(LocalRouter),
}

/// Where the processes of a service are reached.
struct Addresses {
    all: Vec<Arc<Address>>,
    turn: AtomicUsize,
}

/// One of them, over a connection of its own.
struct Address {
    channel: Channel,
    /// It did not answer when it was last called, or asked how it is.
    silent: AtomicBool,
}

impl Addresses {
    fn open(addresses: &str, certificates: Option<&Arc<Certificates>>) -> Result<Self> {
        let open = |address: &str| {
            let endpoint = Endpoint::from_shared(format!("http://{}", address.trim()))
                .map_err(|error| Error::internal(format!("`{address}` is not an address")).because(error))?
                .connect_timeout(Duration::from_secs(2))
                .http2_keep_alive_interval(SILENCE)
                .keep_alive_timeout(SILENCE)
                .keep_alive_while_idle(true)
                // Errors travel in headers, with every field that is wrong.
                .http2_max_header_list_size(MAX_HEADERS)
                .tcp_nodelay(true);
            let channel = match certificates {
                None => endpoint.connect_lazy(),
                Some(certificates) => {
                    endpoint.connect_with_connector_lazy(encrypted(Arc::clone(certificates)))
                }
            };
            Ok(Arc::new(Address {
                channel,
                silent: AtomicBool::default(),
            }))
        };
        let all: Vec<_> = addresses.split(',').map(open).collect::<Result<_>>()?;
        if all.len() > 1 {
            for address in &all {
                tokio::spawn(watch(Arc::downgrade(address)));
            }
        }
        Ok(Self {
            all,
            turn: AtomicUsize::default(),
        })
    }

    /// Calls the next one in turn that is not silent; when all are, the next one.
    async fn call(&self, request: http::Request<Body>) -> Result<http::Response<Body>, tower::BoxError> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.all.len();
        let (before, after) = self.all.split_at(turn);
        let speaks = |address: &&Arc<Address>| !address.silent.load(Ordering::Relaxed);
        let next = after.iter().chain(before).find(speaks);
        let address = next.unwrap_or(&self.all[turn]);
        let answer = address.channel.clone().oneshot(request).await;
        if answer.is_err() {
            address.silent.store(true, Ordering::Relaxed);
        }
        Ok(answer?)
    }
}

/// What makes connections to an address by TLS.
fn encrypted(
    certificates: Arc<Certificates>,
) -> impl Service<Uri, Response = impl Read + Write + Send + Unpin, Error = io::Error, Future: Send> + Send {
    tower::service_fn(move |address: Uri| {
        let certificates = Arc::clone(&certificates);
        async move {
            let host = address.host().unwrap_or_default().trim_matches(['[', ']']);
            let port = address.port_u16().unwrap_or_default();
            certificates.connect(host, port).await.map(TokioIo::new)
        }
    })
}

/// Asks an address again and again how it is, so that no request has to find out.
async fn watch(address: Weak<Address>) {
    loop {
        tokio::time::sleep(PROBE).await;
        let Some(address) = address.upgrade() else { return };
        let mut health = HealthClient::new(address.channel.clone());
        let check = tokio::time::timeout(PATIENCE, health.check(HealthCheckRequest::default()));
        let speaks = matches!(check.await, Ok(Ok(_)));
        address.silent.store(!speaks, Ordering::Relaxed);
    }
}

impl Transport {
    /// A channel that connects when it is first used and again whenever it has to. Several addresses, separated by commas, are
    /// processes of one service: they are called in turn, but for one that did not answer. Fails when an address is none.
    pub fn remote(config: &Grpc, addresses: &str) -> Result<Self> {
        let certificates = certificates(config)?;
        let addresses = Addresses::open(addresses, certificates.as_ref())?;
        Ok(Self::new(config, Route::Remote(Arc::new(addresses))))
    }

    /// The same, to where a service is configured to be.
    pub fn to(config: &Grpc, service: ServiceName) -> Result<Self> {
        Self::remote(config, config.address(service))
    }

    /// The services of this very process, called without a socket.
    pub fn local(config: &Grpc, router: LocalRouter) -> Self {
        Self::new(config, Route::Local(router))
    }

    /// The same channel for calls that may take long and are watched by other means.
    #[must_use]
    pub fn with_deadline(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    fn new(config: &Grpc, route: Route) -> Self {
        Self {
            route,
            token: Arc::new(config.service_token.clone()),
            timeout: Duration::from_secs(config.timeout_seconds),
        }
    }
}

impl Service<http::Request<Body>> for Transport {
    type Response = http::Response<Body>;
    type Error = tower::BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // Each call waits for the connection it takes.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let timeout = self.timeout;
        let answer: Self::Future = match &mut self.route {
            Route::Remote(addresses) => {
                let headers = request.headers_mut();
                if let Ok(value) = self.token.expose_secret().parse() {
                    headers.insert(TOKEN, value);
                }
                if let Ok(value) = request_id().parse() {
                    headers.insert(REQUEST_ID, value);
                }
                if let Some(Ok(value)) = trace::traceparent().map(|traceparent| traceparent.parse()) {
                    headers.insert(trace::TRACEPARENT, value);
                }
                let addresses = Arc::clone(addresses);
                Box::pin(async move { addresses.call(request).await })
            }
            Route::Local(router) => {
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
                match request_id().is_empty() {
                    // Nobody's request: background work gets an id of its own.
                    true => Box::pin(with_request_id(new_request_id(), call)),
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
