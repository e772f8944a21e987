//! Channels to services, over the network or within the process.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};
use smartcourse_proto::stubs::ServiceName;
use tonic::{
    Status,
    body::Body,
    transport::{Channel, Endpoint},
};
use tower::Service;

use crate::{
    config::Grpc,
    error::{Error, Result},
    http::{REQUEST_ID, new_trace_id, trace_id, with_trace_id},
};

/// Largest header list of an answer.
const MAX_HEADERS: u32 = 1024 * 1024;

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
    Remote(Channel),
    Local(LocalRouter),
}

impl Transport {
    /// A channel that connects when it is first used and again whenever it has to. Fails when the address is none.
    pub fn remote(config: &Grpc, address: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| Error::internal(format!("`{address}` is not an address")).because(error))?
            .connect_timeout(Duration::from_secs(2))
            // Errors travel in headers, with every field that is wrong.
            .http2_max_header_list_size(MAX_HEADERS)
            .tcp_nodelay(true);
        Ok(Self::new(config, Route::Remote(endpoint.connect_lazy())))
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

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match &mut self.route {
            Route::Remote(channel) => {
                Service::<http::Request<Body>>::poll_ready(channel, context).map_err(Into::into)
            }
            Route::Local(_) => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let timeout = self.timeout;
        let answer: Self::Future = match &mut self.route {
            Route::Remote(channel) => {
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
