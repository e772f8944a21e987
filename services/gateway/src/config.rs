//! The settings of the public face: where it listens, and what callers may cost.

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Deserialize;
use smartcourse_platform::{
    config::{Declared, Problems, Reader, Section, require_address},
    server::{Limits, Speaks},
    tls,
};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(include_str!("config.toml"), &[Reader::of::<Gateway>()]);

/// What a value of a JSON body is taken to cost beside its bytes: a field of a message, in the two or three copies that
/// exist while a request is worked on.
pub const VALUE_BYTES: usize = 256;

/// `[gateway]`
#[derive(Debug, Clone, Deserialize)]
pub struct Gateway {
    /// Where the public face listens.
    pub listen: String,
    /// The certificate that is shown, or nothing.
    pub tls_certificate: PathBuf,
    /// Its key.
    pub tls_key: PathBuf,
    /// Networks of proxies.
    pub trusted_proxies: Vec<IpNet>,
    /// Where they say for whom they ask.
    pub forwarded_header: ForwardedHeader,
    /// Largest JSON body of a course's content or a lesson.
    pub max_body_bytes: usize,
    /// Largest JSON body of everything else.
    pub max_small_body_bytes: usize,
    /// How deeply JSON may be nested.
    pub max_json_depth: usize,
    /// Members of objects and items of lists of a JSON body.
    pub max_json_values: usize,
    /// Bytes of all JSON bodies at the same time.
    pub body_memory_bytes: usize,
    /// Seconds a client may pause within a JSON body.
    pub body_idle_seconds: u64,
    /// Seconds a JSON body may take.
    pub body_timeout_seconds: u64,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Of them, from one address.
    pub max_connections_per_address: usize,
    /// Seconds a connection may have no request.
    pub idle_seconds: u64,
    /// Seconds a client may take nothing of its answer.
    pub stalled_seconds: u64,
    /// Requests per second per user.
    pub user_rate_per_second: u32,
    /// Burst per user.
    pub user_burst: u32,
    /// Requests per second per address.
    pub address_rate_per_second: u32,
    /// Burst per address.
    pub address_burst: u32,
    /// Streams of events one user may have open.
    pub user_streams: usize,
}

/// The header in which a proxy says for whom it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Gateway {
    /// The certificate the public face is served with, if it is served over TLS.
    pub fn certificate(&self) -> Option<tls::Files> {
        let set = !self.tls_certificate.as_os_str().is_empty();
        set.then(|| tls::Files {
            name: Self::NAME,
            certificate: self.tls_certificate.clone(),
            key: self.tls_key.clone(),
            authority: None,
        })
    }

    /// What the connections of the public face may cost.
    pub fn limits(&self) -> Limits {
        Limits {
            speaks: Speaks::Http1,
            connections: self.max_connections,
            per_address: self.max_connections_per_address,
            uncounted: self.trusted_proxies.clone(),
            idle: Duration::from_secs(self.idle_seconds),
            stalled: Duration::from_secs(self.stalled_seconds),
        }
    }

    /// How long a client may pause within a JSON body.
    pub fn body_idle(&self) -> Duration {
        Duration::from_secs(self.body_idle_seconds)
    }

    /// How long a JSON body may take.
    pub fn body_timeout(&self) -> Duration {
        Duration::from_secs(self.body_timeout_seconds)
    }
}

impl Section for Gateway {
    const NAME: &'static str = "gateway";

    fn check(&self, problems: &mut Problems) {
        require_address(problems, "gateway.listen", &self.listen);
        problems.require(
            self.tls_certificate.as_os_str().is_empty() == self.tls_key.as_os_str().is_empty(),
            "gateway: tls_certificate and tls_key belong together",
        );
        problems.require(
            self.user_rate_per_second > 0
                && self.address_rate_per_second > 0
                && self.user_burst > 0
                && self.address_burst > 0
                && self.user_streams > 0,
            "gateway: rates, bursts and user_streams must be positive",
        );
        for (name, seconds) in [
            ("body_idle_seconds", self.body_idle_seconds),
            ("body_timeout_seconds", self.body_timeout_seconds),
            ("idle_seconds", self.idle_seconds),
            ("stalled_seconds", self.stalled_seconds),
        ] {
            problems.require(
                (1..=3600).contains(&seconds),
                format!("gateway.{name}: must be 1 to 3600"),
            );
        }
        problems.require(
            self.max_small_body_bytes > 0 && self.max_small_body_bytes <= self.max_body_bytes,
            "gateway.max_small_body_bytes: must be 1 to gateway.max_body_bytes",
        );
        // The parser's own limit of nesting is 128.
        problems.require(
            (1..=100).contains(&self.max_json_depth) && self.max_json_values > 0,
            "gateway: max_json_depth must be 1 to 100, max_json_values positive",
        );
        let largest = self
            .max_json_values
            .checked_mul(VALUE_BYTES)
            .and_then(|values| values.checked_add(self.max_body_bytes));
        problems.require(
            u32::try_from(self.body_memory_bytes).is_ok()
                && largest.is_some_and(|largest| largest <= self.body_memory_bytes),
            format!(
                "gateway.body_memory_bytes: must be at least max_body_bytes + {VALUE_BYTES} × max_json_values, and fit 32 bits"
            ),
        );
        problems.require(
            self.max_connections > 0 && self.max_connections_per_address > 0,
            "gateway: limits of connections must be positive",
        );
    }
}
