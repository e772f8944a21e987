//! Ports on the loopback interface.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// The ports that are handed out: below those the system takes for outgoing connections (32768 and up on Linux).
const FIRST: u16 = 10_000;
const SPAN: u32 = 20_000;

/// A TCP port of 127.0.0.1 that nobody listens on at this moment, another at each call. Whoever asks starts a program
/// that listens there a little later. A port from the range of outgoing connections would be somebody's by then on a
/// busy machine, so those are never chosen.
pub fn free_port() -> std::io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run side by side begin at different places.
    let begin = std::process::id().wrapping_mul(211) % SPAN;
    for _ in 0..SPAN {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % SPAN;
        // Below FIRST + SPAN, so it fits.
        let port = FIRST + offset as u16;
        if port_is_free(port) {
            return Ok(port);
        }
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::AddrInUse,
        format!("no port of 127.0.0.1 from {FIRST} on is free"),
    ))
}

/// Whether `port` of 127.0.0.1 could be listened on just now.
pub fn port_is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The port an engine shall use: the one asked for, else the one noted in `note` at the last start, else a free one. It is
/// written to `note`, because a stable address survives in bookmarks and configuration.
pub(crate) fn choose(engine: &str, asked: Option<u16>, note: &Path) -> anyhow::Result<u16> {
    if let Some(port) = asked {
        anyhow::ensure!(
            port_is_free(port),
            "port {port} for {engine} is in use on 127.0.0.1; stop the program that listens there or choose another port"
        );
        return Ok(port);
    }
    let noted = std::fs::read_to_string(note).ok();
    let noted = noted.and_then(|text| text.trim().parse().ok());
    let port = match noted.filter(|port| port_is_free(*port)) {
        Some(port) => port,
        None => free_port()?,
    };
    std::fs::write(note, port.to_string())?;
    Ok(port)
}
