//! A proxy that hangs up early: it cuts each connection at a random moment after the client has begun to speak.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

use crate::{PATIENCE, Session};

/// Latest moment of a cut after the first byte of a request.
const LATEST: Duration = Duration::from_millis(12);
/// One connection in so many is let through.
const SPARED: u32 = 4;

/// The proxy; it ends when it is dropped.
pub struct Cutter {
    /// Its address, in place of the gateway's.
    pub base: String,
    serving: AbortHandle,
}

impl Cutter {
    /// In front of the gateway at `base`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(base: &str) -> Result<Self> {
        let gateway: SocketAddr = base
            .strip_prefix("http://")
            .context("the gateway speaks HTTP")?
            .parse()?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, gateway));
            }
        });
        Ok(Self {
            base: format!("http://{address}"),
            serving: serving.abort_handle(),
        })
    }

    /// The same user by way of the proxy, with a connection for each request: a cut one takes no other with it.
    ///
    /// # Errors
    /// When there can be no such client.
    pub fn by_way_of(&self, session: &Session) -> Result<Session> {
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .timeout(PATIENCE)
            .build()?;
        Ok(session.by_way_of(http, &self.base))
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Passes bytes both ways until the moment comes. What a cut does to client and gateway is what they are here to bear, so
/// errors end the connection and are nobody's.
async fn pass(mut client: TcpStream, gateway: SocketAddr) {
    let Ok(mut upstream) = TcpStream::connect(gateway).await else {
        return;
    };
    let spared = rand::random_range(0..SPARED) == 0;
    let moment = LATEST.mul_f64(rand::random());
    if client.readable().await.is_err() {
        return;
    }
    let both = tokio::io::copy_bidirectional(&mut client, &mut upstream);
    if spared {
        drop(both.await);
    } else {
        drop(tokio::time::timeout(moment, both).await);
    }
    drop(upstream.shutdown().await);
}
