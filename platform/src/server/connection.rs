//! One connection, and when it is given up: no request for too long, or an answer that nobody takes.
//!
//! One timer watches both, from the first byte to the last. So half a head, a connection nobody uses, and a client that
//! has stopped to read all end the same way, and a request that takes long, such as a stream of events, does not.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, extract::ConnectInfo};
use http_body_util::BodyExt as _;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tower::ServiceExt as _;

use super::limits::Limits;
use crate::lifecycle::Lifecycle;

/// How long a connection without a request is kept while the process stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// The names of hosts in the certificate of a caller.
#[derive(Debug, Clone, Default)]
pub struct Names(pub Arc<[String]>);

/// Who holds the other end.
#[derive(Clone)]
pub(super) struct Peer {
    address: SocketAddr,
    names: Names,
}

impl Peer {
    pub(super) fn of(address: SocketAddr, names: Vec<String>) -> Self {
        let names = Names(names.into());
        Self { address, names }
    }
}

/// Serves a connection to its end.
pub(super) async fn serve(
    http: auto::Builder<TokioExecutor>,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    Peer { address: peer, names }: Peer,
    router: axum::Router,
    limits: Limits,
    life: Lifecycle,
) {
    let pulse = Arc::new(Pulse::new());
    let socket = Socket {
        stream,
        pulse: Arc::clone(&pulse),
        ended: false,
        closed: false,
    };
    let requests = Arc::clone(&pulse);
    let service = service_fn(move |request: Request<Incoming>| {
        let under_way = UnderWay::new(&requests);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(names.clone());
        let answer = router.clone().oneshot(request);
        async move {
            // The request is under way for as long as the body of its answer is there, which owns the closure.
            let hold = move |error: axum::Error| {
                let _held: &UnderWay = &under_way;
                error
            };
            Ok::<_, Infallible>(answer.await?.map(|body| body.map_err(hold)))
        }
    });
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(socket), service));
    let mut stopping = std::pin::pin!(life.stopping());
    let (mut stops, mut idle) = (false, limits.idle);
    loop {
        let Some(pause) = pulse.check(idle, limits.stalled) else {
            tracing::debug!(%peer, "given up: no request, or nobody takes the answer");
            return;
        };
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "a connection failed");
                }
                return;
            }
            () = stopping.as_mut(), if !stops => {
                connection.as_mut().graceful_shutdown();
                pulse.touch();
                (stops, idle) = (true, FAREWELL.min(limits.idle));
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What happens on a connection, as far as its watch has to know. Times are milliseconds since its start.
struct Pulse {
    start: Instant,
    requests: AtomicUsize,
    /// When the last request ended.
    idle_since: AtomicU64,
    /// Since when a write waits for the other side; [`NOT`] when none does.
    stalled_since: AtomicU64,
}

const NOT: u64 = u64::MAX;

impl Pulse {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            requests: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            stalled_since: AtomicU64::new(NOT),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(NOT - 1)
    }

    fn touch(&self) {
        self.idle_since.store(self.now(), Ordering::Relaxed);
    }

    /// How long until the next check; `None` when the time is up.
    fn check(&self, idle: Duration, stalled: Duration) -> Option<Duration> {
        let left = |since: u64, limit: Duration| {
            let passed = Duration::from_millis(self.now().saturating_sub(since));
            limit.checked_sub(passed).filter(|left| !left.is_zero())
        };
        match self.stalled_since.load(Ordering::Relaxed) {
            NOT if self.requests.load(Ordering::Relaxed) > 0 => Some(idle.min(stalled)),
            NOT => left(self.idle_since.load(Ordering::Relaxed), idle),
            // The end of an answer is on its way: no request, and yet not idle.
            since => left(since, stalled),
        }
    }

    fn waits(&self) {
        // Only the first of several tries counts.
        let _ = self
            .stalled_since
            .compare_exchange(NOT, self.now(), Ordering::Relaxed, Ordering::Relaxed);
    }

    fn goes_on(&self) {
        if self.stalled_since.swap(NOT, Ordering::Relaxed) != NOT {
            self.touch();
        }
    }
}

/// Counts a request until its answer is written or given up.
struct UnderWay(Arc<Pulse>);

impl UnderWay {
    fn new(pulse: &Arc<Pulse>) -> Self {
        pulse.requests.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(pulse))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The socket of a connection, which tells the watch what it sees.
struct Socket<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// The other side has sent its last byte.
    ended: bool,
    /// We have.
    closed: bool,
}

impl<S> Socket<S> {
    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(_) => self.pulse.goes_on(),
            Poll::Pending => self.pulse.waits(),
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Poll::Ready(result) = &result {
            self.ended = result.is_err() || buffer.filled().len() == before;
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Says that nothing more comes, then lets the other side finish: closing a socket with bytes unread, such as the rest
    /// of a body that was refused, would reset the connection, and the answer with it. The watch ends it in any case.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.closed {
            std::task::ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.closed = true;
        }
        let mut thrown_away = [0; 8192];
        while !self.ended {
            let mut buffer = ReadBuf::new(&mut thrown_away);
            // An error ends it as well.
            let _ = std::task::ready!(self.as_mut().poll_read(context, &mut buffer));
        }
        Poll::Ready(Ok(()))
    }
}
