//! Connections as their peers see them: real sockets, a small router, limits of a second.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo, routing::get};
use smartcourse_platform::{
    lifecycle::Lifecycle,
    server::{self, Limits, Speaks},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    time::timeout,
};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
/// How long an answer of `/quiet` lets wait: longer than [`LIMITS`] has idle connections wait.
const QUIET: Duration = Duration::from_secs(4);

const LIMITS: Limits = Limits {
    speaks: Speaks::Http1,
    connections: 4,
    per_address: 3,
    uncounted: Vec::new(),
    idle: Duration::from_secs(2),
    stalled: Duration::from_secs(2),
};

async fn start(limits: Limits) -> (SocketAddr, Lifecycle) {
    let router = Router::new()
        .route(
            "/",
            get(async |peer: ConnectInfo<SocketAddr>| peer.ip().to_string()),
        )
        .route(
            "/endless",
            get(async || {
                axum::body::Body::from_stream(futures::stream::repeat_with(|| {
                    Ok::<_, std::io::Error>(vec![0_u8; 65_536])
                }))
            }),
        )
        .route(
            "/quiet",
            get(async || {
                axum::body::Body::from_stream(futures::stream::once(async {
                    tokio::time::sleep(QUIET).await;
                    Ok::<_, std::io::Error>("at last")
                }))
            }),
        )
        .route(
            "/refuse",
            axum::routing::put(async || axum::http::StatusCode::NOT_FOUND),
        );
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let life = Lifecycle::default();
    life.spawn(
        "server",
        server::serve(listener, router, limits, None, life.clone()),
    );
    (address, life)
}

/// A connection from this address.
async fn connect(from: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket
        .bind(SocketAddr::new(from.parse().expect("an address"), 0))
        .expect("is free");
    timeout(PATIENCE, socket.connect(to))
        .await
        .expect("in time")
        .expect("connects")
}

/// Everything that comes until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .expect("ends");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The first line of an answer that leaves its connection open.
async fn answer(stream: &mut TcpStream) -> String {
    stream.write_all(GET).await.expect("is sent");
    let mut bytes = [0; 1024];
    let length = timeout(PATIENCE, stream.read(&mut bytes))
        .await
        .expect("in time")
        .expect("answers");
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn half_a_head_nothing_and_an_unused_connection_end() {
    let (address, _life) = start(Limits {
        per_address: 4,
        ..LIMITS
    })
    .await;
    let mut half = connect("127.0.0.1", address).await;
    half.write_all(b"GET / HTTP/1.1\r\nhost: ")
        .await
        .expect("is sent");
    let mut nothing = connect("127.0.0.1", address).await;
    let mut unused = connect("127.0.0.1", address).await;
    let answer = answer(&mut unused).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("127.0.0.1"),
        "{answer}"
    );
    for stream in [&mut half, &mut nothing, &mut unused] {
        assert_eq!(rest(stream).await, "");
    }
}

#[tokio::test]
async fn a_connection_too_many_of_one_address_is_told_and_others_wait_for_a_place() {
    let (address, _life) = start(LIMITS).await;
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(connect("127.0.0.1", address).await);
    }
    let refused = rest(&mut connect("127.0.0.1", address).await).await;
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("retry-after"),
        "{refused}"
    );
    // The last place is another's; who comes after that waits until one of the idle is closed.
    let mut other = connect("127.0.0.2", address).await;
    assert!(answer(&mut other).await.starts_with("HTTP/1.1 200"));
    let mut late = connect("127.0.0.3", address).await;
    assert!(answer(&mut late).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn an_answer_nobody_takes_is_given_up() {
    let (address, _life) = start(LIMITS).await;
    let mut stream = connect("127.0.0.1", address).await;
    stream
        .write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .expect("is sent");
    tokio::time::sleep(3 * LIMITS.stalled).await;
    // What is on its way still comes; then it ends, though the answer has no end.
    let taken = timeout(PATIENCE, async {
        let mut buffer = vec![0; 1 << 20];
        while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {}
    });
    taken.await.expect("it ends");
}

#[tokio::test]
async fn an_answer_may_be_quiet_for_longer_than_a_connection_without_a_request() {
    let (address, _life) = start(LIMITS).await;
    let mut stream = connect("127.0.0.1", address).await;
    stream
        .write_all(b"GET /quiet HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("is sent");
    let answer = rest(&mut stream).await;
    assert!(answer.contains("at last"), "{answer}");
}

#[tokio::test]
async fn a_refusal_arrives_though_the_body_is_still_being_sent() {
    let (address, _life) = start(LIMITS).await;
    let mut stream = connect("127.0.0.1", address).await;
    stream
        .write_all(b"PUT /refuse HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n")
        .await
        .expect("is sent");
    for _ in 0..40 {
        stream
            .write_all(&[b'a'; 100_000])
            .await
            .expect("is taken, though nobody reads it");
    }
    let refused = rest(&mut stream).await;
    assert!(refused.starts_with("HTTP/1.1 404"), "{refused}");
}

#[tokio::test]
async fn too_long_a_head_is_refused() {
    let (address, _life) = start(LIMITS).await;
    let mut stream = connect("127.0.0.1", address).await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "a".repeat(300_000));
    stream.write_all(head.as_bytes()).await.expect("is sent");
    let refused = rest(&mut stream).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused:.100}");
}

#[tokio::test]
async fn stopping_waits_for_requests_and_not_for_connections() {
    let (address, life) = start(Limits {
        idle: PATIENCE,
        ..LIMITS
    })
    .await;
    let mut half = connect("127.0.0.1", address).await;
    half.write_all(b"GET / HT").await.expect("is sent");
    let mut unused = connect("127.0.0.1", address).await;
    answer(&mut unused).await;
    life.stop();
    assert!(life.finished().await, "nobody keeps a server that stops");
    assert_eq!(rest(&mut half).await + &rest(&mut unused).await, "");
}
