//! Requests byte by byte, as no HTTP client sends them.

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{PATIENCE, Reply};

/// A connection on which bytes are sent by hand.
pub struct ByHand(TcpStream);

impl ByHand {
    /// Connects to a base address and sends these first bytes.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn begin(base: &str, bytes: &str) -> Result<Self> {
        let address = base.strip_prefix("http://").context("a plain address")?;
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(bytes.as_bytes()).await?;
        Ok(Self(stream))
    }

    /// Sends more; whether the other side still takes it.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        matches!(timeout(PATIENCE, self.0.write_all(bytes)).await, Ok(Ok(())))
    }

    /// The answer, with its body as JSON; `None` when the connection ends without one.
    ///
    /// # Errors
    /// When neither comes in time, or the answer is none.
    pub async fn answer(&mut self) -> Result<Option<Reply>> {
        timeout(PATIENCE, self.read())
            .await
            .context("neither answered nor closed")?
    }

    async fn read(&mut self) -> Result<Option<Reply>> {
        let mut bytes = Vec::new();
        loop {
            let mut part = [0; 4096];
            // A reset is an end as well.
            let length = self.0.read(&mut part).await.unwrap_or(0);
            bytes.extend_from_slice(&part[..length]);
            match reply(&bytes) {
                Some(reply) => return Ok(Some(reply)),
                None if length == 0 => return Ok(None),
                None => {}
            }
        }
    }
}

/// The answer in these bytes, if all of it has come.
fn reply(bytes: &[u8]) -> Option<Reply> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: reqwest::header::HeaderMap = lines
        .filter_map(|line| line.split_once(": "))
        .filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?)))
        .collect();
    let length: usize = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
    Some(Reply {
        status,
        headers,
        body: serde_json::from_str(body.get(..length)?).unwrap_or(Value::Null),
    })
}
