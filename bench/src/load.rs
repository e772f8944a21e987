//! Load over HTTP/1.1 with as little of a client as can be: what it costs is taken from the servers under test.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use smartcourse_tests::measure::Outcome;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Settings of a gateway whose rates limit nobody.
pub(crate) const NO_RATES: [(&str, &str); 4] = [
    ("GATEWAY__USER_RATE_PER_SECOND", PLENTY),
    ("GATEWAY__USER_BURST", PLENTY),
    ("GATEWAY__ADDRESS_RATE_PER_SECOND", PLENTY),
    ("GATEWAY__ADDRESS_BURST", PLENTY),
];
const PLENTY: &str = "1000000";

/// Requests to send, over and over.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    address: String,
    requests: Arc<Vec<Vec<u8>>>,
}

impl Target {
    /// Of requests that were made elsewhere.
    pub(crate) fn of(address: &str, requests: Vec<Vec<u8>>) -> Self {
        Self {
            address: address.to_owned(),
            requests: Arc::new(requests),
        }
    }

    /// GET of a path, with or without a token.
    pub(crate) fn get(address: &str, path: &str, token: Option<&str>) -> Self {
        Self::get_each(address, &[path.to_owned()], token)
    }

    /// GET of these paths in turns.
    pub(crate) fn get_each(address: &str, paths: &[String], token: Option<&str>) -> Self {
        let requests = paths.iter().map(|path| request(address, "GET", path, token));
        Self::of(address, requests.collect())
    }

    /// POST of a path without a body, by each of these users in turns.
    pub(crate) fn post_by_each(address: &str, path: &str, tokens: &[String]) -> Self {
        let requests = tokens
            .iter()
            .map(|token| request(address, "POST", path, Some(token)));
        Self::of(address, requests.collect())
    }
}

/// A request without a body, as it is sent.
pub(crate) fn request(address: &str, method: &str, path: &str, token: Option<&str>) -> Vec<u8> {
    request_with(address, method, path, token, "")
}

/// A request with this JSON as its body, as it is sent.
pub(crate) fn request_with(
    address: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> Vec<u8> {
    let authorization = token
        .map(|token| format!("authorization: Bearer {token}\r\n"))
        .unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\naccept: application/json\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{authorization}\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Sends so many requests over so many connections, each waiting for its answer; no new ones after the limit of time.
///
/// # Errors
/// When an answer is no success or a connection breaks.
pub(crate) async fn run(
    target: &Target,
    connections: usize,
    requests: usize,
    limit: Duration,
) -> Result<Outcome> {
    let left = Arc::new(AtomicUsize::new(requests));
    let mut open = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(&target.address)
            .await
            .with_context(|| format!("cannot reach {}", target.address))?;
        stream.set_nodelay(true)?;
        open.push(stream);
    }
    let start = Instant::now();
    let tasks: Vec<_> = open
        .into_iter()
        .map(|stream| {
            tokio::spawn(one_connection(
                stream,
                Arc::clone(&target.requests),
                Arc::clone(&left),
                start + limit,
            ))
        })
        .collect();
    let mut times = Vec::with_capacity(requests);
    for task in tasks {
        times.extend(task.await??);
    }
    let wall = start.elapsed();
    Ok(Outcome::of(times, wall))
}

async fn one_connection(
    mut stream: TcpStream,
    requests: Arc<Vec<Vec<u8>>>,
    left: Arc<AtomicUsize>,
    deadline: Instant,
) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut buffer = Vec::with_capacity(16 * 1024);
    let take = |left: usize| left.checked_sub(1);
    while Instant::now() < deadline
        && let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
    {
        let start = Instant::now();
        stream.write_all(&requests[number % requests.len()]).await?;
        answer(&mut stream, &mut buffer).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Reads one answer to its end.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    let mut whole = None;
    while whole.is_none_or(|length| buffer.len() < length) {
        ensure!(stream.read_buf(buffer).await? > 0, "the connection was closed");
        if whole.is_none() {
            whole = length(buffer)?;
        }
    }
    Ok(())
}

/// Length of the whole answer, once its head is there.
fn length(buffer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..end]).context("a head of an answer is text")?;
    ensure!(
        head.starts_with("HTTP/1.1 2"),
        "no success: {}",
        String::from_utf8_lossy(buffer)
    );
    let named = head.lines().filter_map(|line| line.split_once(':'));
    let body = named
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body: usize = body.context("no content-length")?.1.trim().parse()?;
    Ok(Some(end + 4 + body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_as_long_as_it_says() {
        assert_eq!(length(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n").unwrap(), None);
        assert_eq!(
            length(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n").unwrap(),
            Some(41)
        );
        assert!(length(b"HTTP/1.1 429 Too Many Requests\r\n\r\n").is_err());
    }
}
