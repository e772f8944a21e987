//! Ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

/// A TCP port of 127.0.0.1 that nobody listens on at this moment, chosen by the kernel.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Whether `port` of 127.0.0.1 could be listened on just now.
pub fn port_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The port an engine shall use: the one asked for, else the one noted in `note` at the last start, else a free one.
///
/// The choice is written to `note`, because a stable address survives in bookmarks and configuration.
pub(crate) fn choose(engine: &str, asked: Option<u16>, note: &Path) -> anyhow::Result<u16> {
    if let Some(port) = asked {
        anyhow::ensure!(
            port_is_free(port),
            "port {port} for {engine} is in use on 127.0.0.1; stop the program that listens there or choose another port"
        );
        return Ok(port);
    }
    let noted = std::fs::read_to_string(note)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let port = match noted.filter(|port| port_is_free(*port)) {
        Some(port) => port,
        None => free_port()?,
    };
    std::fs::write(note, port.to_string())?;
    Ok(port)
}
