//! How many connections there may be, in all and from one address.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::concurrency::{self, Places};

/// What counts as one address: a household has a whole /64 of IPv6.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) & (u128::MAX << 64)).into()),
        address => address,
    }
}

pub(super) struct Gate {
    all: Arc<Semaphore>,
    addresses: Places<IpAddr>,
    uncounted: Vec<IpNet>,
}

/// A connection's place; another may have it when this is dropped.
pub(super) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_its_address: Option<concurrency::Place<IpAddr>>,
}

impl Gate {
    pub(super) fn new(all: usize, per_address: usize, uncounted: Vec<IpNet>) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all.min(Semaphore::MAX_PERMITS))),
            addresses: Places::new(per_address),
            uncounted,
        }
    }

    /// Waits for a place among all.
    pub(super) async fn place(&self) -> OwnedSemaphorePermit {
        match Arc::clone(&self.all).acquire_owned().await {
            Ok(place) => place,
            // Nobody closes it.
            Err(_) => std::future::pending().await,
        }
    }

    /// The place, unless this address has all of its own.
    pub(super) fn admit(&self, of_all: OwnedSemaphorePermit, address: IpAddr) -> Option<Place> {
        let is_proxy = |network: &IpNet| network.contains(&address.to_canonical());
        let of_its_address = match self.uncounted.iter().any(is_proxy) {
            true => None,
            false => Some(self.addresses.take(network(address))?),
        };
        Some(Place {
            _of_all: of_all,
            _of_its_address: of_its_address,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn an_address_has_its_share_and_gives_it_back() {
        let gate = Gate::new(3, 2, vec!["10.0.0.0/8".parse().expect("a network")]);
        let enter = |address: &str| {
            let place = gate.place().now_or_never()?;
            gate.admit(place, address.parse().expect("an address"))
        };
        let first = enter("192.0.2.1").expect("has a place");
        let second = enter("::ffff:192.0.2.1").expect("has a place");
        assert!(enter("192.0.2.1").is_none(), "one address has two");
        let third = enter("2001:db8::1").expect("another address has its own");
        assert!(enter("2001:db8::2").is_none(), "three in all");
        drop(first);
        let again = enter("192.0.2.1").expect("a place is free again");
        drop((again, second, third));
        let proxy = ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.1"].map(enter);
        assert!(proxy.iter().all(Option::is_some), "a proxy is not counted");
    }
}
