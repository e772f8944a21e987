//! The way to a server, as networks make it: silent, slow, cut, or closed at one of its ends.

use std::{net::SocketAddr, time::Duration};

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

/// What befalls a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Connections stay, and nothing comes through, as on the way to a machine that is lost. Those that have lost something are
    /// closed when the link is mended.
    Silence,
    /// Everything comes later by so much, each way.
    Delay(Duration),
    /// Connections are closed, and so is each new one.
    Cut,
    /// The server's side of the connections there are is closed: the client reads their end, and what it writes still comes through.
    /// New ones are whole.
    ServerHalfClosed,
    /// The client's side of the connections there are is closed: the server reads their end, what the client writes is lost, and what
    /// the server answers still comes through. New ones are whole.
    ClientHalfClosed,
}

type Told = watch::Receiver<Option<Fault>>;

/// A proxy in front of a server; dropping it ends it and its connections.
pub struct Link {
    /// Its address, in place of the server's.
    pub address: SocketAddr,
    fault: watch::Sender<Option<Fault>>,
    serving: AbortHandle,
}

impl Link {
    /// In front of the server at `host:port`; everything comes through so far.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (fault, told) = watch::channel(None);
        let server = server.to_owned();
        let serving = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut told = told.clone();
                // What befell the connections before is not done to this one.
                told.mark_unchanged();
                tokio::spawn(pass(client, server.clone(), told));
            }
        });
        Ok(Self {
            address,
            fault,
            serving: serving.abort_handle(),
        })
    }

    /// In front of the server at this URL; answers the URL by way of it, too.
    ///
    /// # Errors
    /// When the URL names no host and port, or the proxy cannot listen.
    pub async fn before(url: &str) -> Result<(Self, String)> {
        let mut url: Url = url.parse()?;
        let host = url.host_str().context("a server has a host")?;
        let link = Self::start(&format!("{host}:{}", url.port().context("and a port")?)).await?;
        let taken = url
            .set_ip_host(link.address.ip())
            .and_then(|()| url.set_port(Some(link.address.port())));
        taken.ok().context("a server has an address")?;
        Ok((link, url.into()))
    }

    /// From now on this is what befalls it.
    pub fn fail(&self, fault: Fault) {
        self.fault.send_replace(Some(fault));
    }

    /// From now on everything comes through; what was closed at one end stays so.
    pub fn mend(&self) {
        self.fault.send_replace(None);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Whatever fails ends the connection, and is for client and server to bear.
async fn pass(client: TcpStream, server: String, mut told: Told) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // Nothing waits for more to be sent along with it.
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let (asks, answers) = client.into_split();
    let (replies, asked) = server.into_split();
    tokio::select! {
        () = one_way(asks, asked, told.clone(), Fault::ClientHalfClosed) => {}
        () = one_way(replies, answers, told.clone(), Fault::ServerHalfClosed) => {}
        _ = told.wait_for(|fault| *fault == Some(Fault::Cut)) => {}
    }
}

/// Carries one way until its source ends, or until `closed` befalls it and the other way ends.
async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, told: Told, closed: Fault) {
    tokio::select! {
        () = carry(&mut from, &mut to, told.clone()) => return,
        () = begins(told, closed) => {}
    }
    if to.shutdown().await.is_ok() {
        drop(tokio::io::copy(&mut from, &mut tokio::io::sink()).await);
    }
}

async fn carry(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, mut told: Told) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let fault = *told.borrow();
        match fault {
            Some(Fault::Silence) => {
                // Until the link is mended, and then the connection is of no use.
                drop(told.wait_for(|fault| *fault != Some(Fault::Silence)).await);
                return;
            }
            Some(Fault::Delay(later)) => tokio::time::sleep(later).await,
            _ => {}
        }
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// Waits until a fault befalls a connection that was there before.
async fn begins(mut told: Told, fault: Fault) {
    while told.changed().await.is_ok() && *told.borrow_and_update() != Some(fault) {}
}
