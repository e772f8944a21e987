//! A proxy that swallows what is sent, as a network does that has lost a machine: connections stay, and nothing comes through.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use reqwest::Url;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
};

/// The proxy; it ends when it is dropped.
pub struct Swallower {
    /// Its address, in place of the server's.
    pub address: SocketAddr,
    swallows: watch::Sender<bool>,
    serving: AbortHandle,
}

impl Swallower {
    /// In front of the server at `host:port`; everything comes through so far.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (swallows, told) = watch::channel(false);
        let server = server.to_owned();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server.clone(), told.clone()));
            }
        });
        Ok(Self {
            address,
            swallows,
            serving: serving.abort_handle(),
        })
    }

    /// In front of the database at this URL; answers the URL by way of it, too.
    ///
    /// # Errors
    /// When the URL names no host and port, or the proxy cannot listen.
    pub async fn before_database(url: &str) -> Result<(Self, String)> {
        let mut url: Url = url.parse()?;
        let host = url.host_str().context("a database has a host")?;
        let proxy = Self::start(&format!("{host}:{}", url.port().context("and a port")?)).await?;
        let taken = url
            .set_ip_host(proxy.address.ip())
            .and_then(|()| url.set_port(Some(proxy.address.port())));
        taken.ok().context("a database has an address")?;
        Ok((proxy, url.into()))
    }

    /// From now on nothing comes through.
    pub fn swallow(&self) {
        self.swallows.send_replace(true);
    }

    /// Everything comes through again; connections that have lost something are closed.
    pub fn release(&self) {
        self.swallows.send_replace(false);
    }
}

impl Drop for Swallower {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Whatever fails ends the connection, and is for client and server to bear.
async fn pass(client: TcpStream, server: String, told: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (asks, answers) = client.into_split();
    let (replies, asked) = server.into_split();
    tokio::select! {
        () = one_way(asks, asked, told.clone()) => {}
        () = one_way(replies, answers, told) => {}
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut told: watch::Receiver<bool>) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if *told.borrow_and_update() {
            // Until the network is mended, and then the connection is of no use.
            drop(told.wait_for(|swallows| !swallows).await);
            return;
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
