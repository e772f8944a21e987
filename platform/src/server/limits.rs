//! What connections may cost.

use std::time::Duration;

use ipnet::IpNet;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 only: a server the public reaches has no use for HTTP/2 without TLS, and a proxy that ends TLS speaks
    /// HTTP/1.1 to it. So nobody opens windows byte by byte or floods it with resets.
    Http1,
    /// HTTP/2 only: gRPC.
    Http2,
}

/// What connections may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// What is spoken.
    pub speaks: Speaks,
    /// Connections at the same time; more wait in the queue of the operating system.
    pub connections: usize,
    /// Of them, from one [`network`](super::network); more are answered 503 and closed.
    pub per_address: usize,
    /// Networks whose connections are not counted so: proxies.
    pub uncounted: Vec<IpNet>,
    /// How long a connection may have no request.
    pub idle: Duration,
    /// How long the other side may take nothing of what is written.
    pub stalled: Duration,
}

impl Limits {
    /// Those of internal calls: few callers, which keep their connections and are trusted not to play tricks.
    pub const INTERNAL: Self = Self {
        speaks: Speaks::Http2,
        connections: 4096,
        per_address: 4096,
        uncounted: Vec::new(),
        idle: Duration::from_secs(3600),
        stalled: Duration::from_secs(120),
    };
    /// Those of ports for operators: a few people with a browser each, or what scrapes and probes.
    pub const ASIDE: Self = Self {
        speaks: Speaks::Http1,
        connections: 64,
        per_address: 64,
        uncounted: Vec::new(),
        idle: Duration::from_secs(60),
        stalled: Duration::from_secs(30),
    };
}
