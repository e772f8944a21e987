//! Serving HTTP: connections are never more than the descriptors allow, and none is kept that does nothing.

mod connection;
mod gate;
mod limits;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};
use rustix::{
    net::sockopt,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

pub use self::{
    connection::Names,
    gate::network,
    limits::{Limits, Speaks},
};
use self::{connection::Peer, gate::Gate};
use crate::{lifecycle::Lifecycle, tls::Certificates};

/// Largest head of a request, and the most that is held in memory of a body or an answer on its way; hyper looks at it
/// after each read, so what it holds may be twice that.
const BUFFER: usize = 64 * 1024;
/// A peer that is gone without a word is noticed after `AFTER + EVERY × PROBES`, though nothing is sent to it.
const AFTER: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 4;
/// A caller over HTTP/2 that is silent for so long is asked whether it is there, and given up after as long again.
const SILENCE: Duration = Duration::from_secs(10);
/// Descriptors to ask for where there is no limit: macOS' `OPEN_MAX`.
const UNLIMITED: u64 = 10_240;
/// Pause after an error that is not the peer's, such as no descriptor left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Raises the number of descriptors this process may have to what the system lets it have: each connection is one.
/// Fails when the system refuses.
pub fn raise_descriptors() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    // Without a limit, and on macOS that is usual, there still is a number that must not be exceeded.
    let most = limit.maximum.unwrap_or(UNLIMITED);
    if limit.current.is_none_or(|current| current >= most) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(most),
        maximum: limit.maximum,
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

/// The cap on connections: a quarter of the descriptors is for the database, files and calls.
fn affordable(wanted: usize) -> usize {
    let descriptors = getrlimit(Resource::Nofile).current;
    let most = descriptors.map_or(usize::MAX, |most| {
        usize::try_from(most / 4 * 3).unwrap_or(usize::MAX)
    });
    if most < wanted {
        tracing::warn!(
            wanted,
            most,
            "fewer connections than configured: raise the limit of open files"
        );
    }
    wanted.min(most).max(1)
}

/// Serves until the process stops, then finishes the requests that are under way; with certificates, over TLS, and each request has the
/// [`Names`] of its caller. It never fails.
pub async fn serve(
    listener: TcpListener,
    router: axum::Router,
    limits: Limits,
    certificates: Option<Arc<Certificates>>,
    life: Lifecycle,
) -> io::Result<()> {
    let gate = Gate::new(
        affordable(limits.connections),
        limits.per_address,
        limits.uncounted.clone(),
    );
    let http = http(limits.speaks);
    let connections = TaskTracker::new();
    loop {
        // A place first: whoever finds none waits in the system's queue, without a descriptor.
        let accepted = async {
            let place = gate.place().await;
            let (stream, peer) = accept(&listener).await;
            (place, stream, peer)
        };
        let (place, stream, peer) = tokio::select! {
            accepted = accepted => accepted,
            () = life.stopping() => break,
        };
        let Some(place) = gate.admit(place, peer.ip()) else {
            refuse(&stream);
            continue;
        };
        if let Err(error) = prepare(&stream, limits.stalled) {
            tracing::debug!(%error, "a connection that is gone already");
            continue;
        }
        let (http, certificates) = (http.clone(), certificates.clone());
        let (router, limits, life) = (router.clone(), limits.clone(), life.clone());
        connections.spawn(async move {
            match certificates {
                None => {
                    connection::serve(http, stream, Peer::of(peer, Vec::new()), router, limits, life).await
                }
                Some(certificates) => {
                    if let Ok((stream, names)) = certificates.accept(stream, peer).await {
                        connection::serve(http, stream, Peer::of(peer, names), router, limits, life).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
    Ok(())
}

fn http(speaks: Speaks) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // One timer of ours watches all of a connection (see `connection`); hyper's own would only see heads.
    http.http1().header_read_timeout(None).max_buf_size(BUFFER);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE);
    match speaks {
        Speaks::Http1 => http.http1_only(),
        Speaks::Http2 => http.http2_only(),
    }
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

/// Sends at once what is written, and notices a peer that is gone.
///
/// An answer of several frames would else wait some 40 ms for the other side to acknowledge the first (Nagle's algorithm
/// and delayed acknowledgements, RFC 1122 §4.2.3).
fn prepare(stream: &TcpStream, stalled: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, AFTER)?;
    sockopt::set_tcp_keepintvl(stream, EVERY)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    // What was written and is acknowledged by nobody; elsewhere the system's own patience counts.
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(stream, u32::try_from(stalled.as_millis()).unwrap_or(u32::MAX))?;
    #[cfg(not(target_os = "linux"))]
    let _ = stalled;
    Ok(())
}

/// Tells one connection too many so, as far as that is possible without waiting for it.
fn refuse(stream: &TcpStream) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    tracing::debug!("a connection too many from one address");
    if let Err(error) = stream.try_write(ANSWER) {
        tracing::debug!(%error, "it is gone already");
    }
}
