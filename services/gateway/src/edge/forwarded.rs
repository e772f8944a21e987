//! Who asks, where a proxy of ours stands between: it says so in a header.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, header},
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;

use crate::config::{ForwardedHeader, Gateway};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that are believed.
#[derive(Clone)]
pub(crate) struct Proxies {
    networks: Arc<[IpNet]>,
    says_in: ForwardedHeader,
}

impl Proxies {
    pub(crate) fn new(config: &Gateway) -> Self {
        Self {
            networks: config.trusted_proxies.as_slice().into(),
            says_in: config.forwarded_header,
        }
    }

    /// The last one on the way here that is no proxy of ours. What comes before it may be invented.
    fn caller(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = peer.to_canonical();
        let mut way = self.way_back(headers);
        while self.believes(caller)
            && let Some(Some(before)) = way.next()
        {
            caller = before.to_canonical();
        }
        caller
    }

    fn believes(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who handed the request on to whom, from the last one on, as far as it is told: none where it is no address.
    fn way_back(&self, headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
        let name = match self.says_in {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => header::FORWARDED,
        };
        // Each by itself: a stranger's nonsense must not hide what a proxy put behind it.
        let said = headers.get_all(name).into_iter().rev();
        let said = said.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        said.map(move |said| match self.says_in {
            ForwardedHeader::XForwardedFor => address(said.trim()),
            ForwardedHeader::Forwarded => address(forwarded_for(said)?),
        })
    }
}

/// The `for` of one element of `Forwarded` (RFC 7239, section 4).
fn forwarded_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter_map(|(name, value)| name.eq_ignore_ascii_case("for").then_some(value));
    values.next().map(|value| value.trim_matches('"'))
}

/// An address, with or without a port; that of IPv6 in brackets, or not.
fn address(text: &str) -> Option<IpAddr> {
    let of_socket = text.parse().ok().map(|socket: SocketAddr| socket.ip());
    of_socket.or_else(|| text.trim_matches(['[', ']']).parse().ok())
}

/// Has whoever asks a proxy stand for the proxy in all that follows.
pub(crate) async fn forwarded(State(proxies): State<Proxies>, mut request: Request, next: Next) -> Response {
    if let Some(ConnectInfo(peer)) = request.extensions().get::<ConnectInfo<SocketAddr>>() {
        let caller = SocketAddr::new(proxies.caller(peer.ip(), request.headers()), peer.port());
        request.extensions_mut().insert(ConnectInfo(caller));
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(says_in: ForwardedHeader, peer: &str, lines: &[&str]) -> String {
        let proxies = Proxies {
            networks: ["10.0.0.0/8", "fd00::/8"]
                .map(|network| network.parse().expect("a network"))
                .into(),
            says_in,
        };
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, line.parse().expect("a value"));
            headers.append(header::FORWARDED, line.parse().expect("a value"));
        }
        proxies
            .caller(peer.parse().expect("an address"), &headers)
            .to_string()
    }

    #[test]
    fn only_proxies_of_ours_are_believed() {
        let asked = |peer, lines: &[&str]| caller(ForwardedHeader::XForwardedFor, peer, lines);
        assert_eq!(asked("192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        assert_eq!(asked("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(asked("10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            asked("10.0.0.1", &["[2001:db8::1]:80, 10.0.0.2:443"]),
            "2001:db8::1"
        );
        assert_eq!(asked("::ffff:10.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        // What stands before the first stranger was sent by the stranger.
        assert_eq!(
            asked("10.0.0.1", &["203.0.113.9, 198.51.100.1, 10.0.0.2"]),
            "198.51.100.1"
        );
        assert_eq!(
            asked("10.0.0.1", &["203.0.113.9", "2001:db8::1", "fd00::2"]),
            "2001:db8::1"
        );
        assert_eq!(
            asked("10.0.0.1", &["nobody", "\"", "198.51.100.1"]),
            "198.51.100.1"
        );
        for nonsense in ["", "nobody", "203.0.113.9, nobody"] {
            assert_eq!(asked("10.0.0.1", &[nonsense]), "10.0.0.1", "{nonsense}");
        }
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_the_one() {
        let asked = |lines: &[&str]| caller(ForwardedHeader::Forwarded, "10.0.0.1", lines);
        assert_eq!(
            asked(&["for=203.0.113.9, for=\"[2001:db8::1]:4711\";proto=https"]),
            "2001:db8::1"
        );
        assert_eq!(asked(&["by=10.0.0.1; For=198.51.100.1:80"]), "198.51.100.1");
        assert_eq!(asked(&["for=\"[2001:db8::1]\""]), "2001:db8::1");
        for hidden in ["for=unknown", "for=_hidden", "by=10.0.0.1", "198.51.100.1"] {
            assert_eq!(asked(&[hidden]), "10.0.0.1", "{hidden}");
        }
    }
}
