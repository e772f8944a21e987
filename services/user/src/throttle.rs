//! Wrong passwords: how many there may be for an account, from an address and from a network, before whoever goes on has
//! to wait. Right ones cost nothing.
//!
//! Each has a bucket that wrong passwords fill and time empties. It is looked at when a guess comes, and again when its turn to
//! be hashed has come, so that many at once are hardly more than one after the other. From an address that has signed in to the
//! account before, the account has a bucket of its own: strangers who guess do not lock out its owner.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use moka::sync::Cache;
use sha2::{Digest as _, Sha256};
use smartcourse_platform::{Error, Result, server};

use crate::{
    codes,
    config::{Tries, User},
};

/// Buckets and known addresses that are kept, of each kind: what is forgotten too early begins anew.
const KEPT: u64 = 100_000;
/// How long an address is known to an account it signed in to.
const KNOWN: Duration = Duration::from_secs(30 * 24 * 3600);

/// The SHA-256 of an address in lower case: what somebody sends as one may be long, and is kept.
type Account = [u8; 32];

/// The buckets of this process.
pub(crate) struct Throttle {
    /// By account, and by address where that is known to it.
    accounts: Buckets<(Account, Option<IpAddr>)>,
    addresses: Buckets<IpAddr>,
    networks: Buckets<IpAddr>,
    known: Cache<(Account, IpAddr), ()>,
}

impl Throttle {
    pub(crate) fn new(config: &User) -> Self {
        Self {
            accounts: Buckets::new(config.wrong_by_account),
            addresses: Buckets::new(config.wrong_by_address),
            networks: Buckets::new(config.wrong_by_network),
            known: Cache::builder().max_capacity(KEPT).time_to_idle(KNOWN).build(),
        }
    }

    /// A guess at an account's password that is yet to be judged.
    pub(crate) fn guess(&self, email: &str, address: IpAddr) -> Guess<'_> {
        // A household has a whole /64 of IPv6.
        let address = server::network(address);
        let account: Account = Sha256::digest(email.to_lowercase()).into();
        let known = (account, address);
        let at_home = self.known.contains_key(&known).then_some(address);
        Guess {
            throttle: self,
            buckets: [
                self.accounts.bucket((account, at_home)),
                self.addresses.bucket(address),
                self.networks.bucket(network(address)),
            ],
            known,
        }
    }
}

/// A guess, and the buckets it would fill. Without a verdict it counts for nothing: whoever hung up has learnt nothing.
pub(crate) struct Guess<'a> {
    throttle: &'a Throttle,
    buckets: [Arc<Bucket>; 3],
    known: (Account, IpAddr),
}

impl Guess<'_> {
    /// Whether it may be judged.
    /// Refused with `too_many_attempts` and `retry_after` when one of the buckets is full.
    pub(crate) fn admit(&self) -> Result<()> {
        let waits = self.buckets.iter().map(|bucket| bucket.wait());
        let wait = waits.fold(Duration::ZERO, Duration::max);
        if wait.is_zero() {
            return Ok(());
        }
        let detail = "too many wrong passwords; wait before the next try";
        Err(Error::new(&codes::TOO_MANY_ATTEMPTS, detail).with_fact("retry_after", wait.as_secs() + 1))
    }

    /// It counts.
    pub(crate) fn was_wrong(&self) {
        for bucket in &self.buckets {
            bucket.add(1.0);
        }
    }

    /// The address is known from now on.
    pub(crate) fn was_right(self) {
        self.throttle.known.insert(self.known, ());
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << 8)).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
    }
}

struct Buckets<K> {
    tries: Tries,
    kept: Cache<K, Arc<Bucket>>,
}

impl<K: Hash + Eq + Send + Sync + 'static> Buckets<K> {
    fn new(tries: Tries) -> Self {
        // A bucket nobody has touched for so long is empty.
        let empty = Duration::from_secs(60) * tries.burst.div_ceil(tries.per_minute);
        let kept = Cache::builder().max_capacity(KEPT).time_to_idle(empty).build();
        Self { tries, kept }
    }

    fn bucket(&self, key: K) -> Arc<Bucket> {
        let new = || {
            Arc::new(Bucket {
                tries: self.tries,
                level: Mutex::new((0.0, Instant::now())),
            })
        };
        self.kept.get_with(key, new)
    }
}

struct Bucket {
    tries: Tries,
    /// Guesses in it, and when that was so.
    level: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// Guesses that time empties out in a second.
    fn rate(&self) -> f64 {
        f64::from(self.tries.per_minute) / 60.0
    }

    fn add(&self, guesses: f64) -> f64 {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let left = level.0 - now.duration_since(level.1).as_secs_f64() * self.rate();
        *level = (left.max(0.0) + guesses, now);
        level.0
    }

    /// How long until there is room for one more.
    fn wait(&self) -> Duration {
        let over = self.add(0.0) + 1.0 - f64::from(self.tries.burst);
        Duration::from_secs_f64((over / self.rate()).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(account: u32, address: u32, network: u32) -> Throttle {
        let tries = |burst| Tries { burst, per_minute: 1 };
        Throttle {
            accounts: Buckets::new(tries(account)),
            addresses: Buckets::new(tries(address)),
            networks: Buckets::new(tries(network)),
            known: Cache::new(KEPT),
        }
    }

    /// Whether there was room for a wrong guess.
    fn wrong(throttle: &Throttle, email: &str, address: &str) -> bool {
        let guess = throttle.guess(email, address.parse().expect("an address"));
        guess.admit().map(|()| guess.was_wrong()).is_ok()
    }

    #[test]
    fn an_account_takes_so_many_guesses_from_wherever_they_come() {
        let throttle = throttle(3, 100, 100);
        for address in ["192.0.2.1", "198.51.100.1", "203.0.113.1"] {
            assert!(wrong(&throttle, "A@example.org", address));
        }
        let guess = throttle.guess("a@example.org", "192.0.2.9".parse().expect("an address"));
        let refused = guess.admit().expect_err("is refused");
        assert!(refused.is(&codes::TOO_MANY_ATTEMPTS));
        assert_eq!(refused.facts()[0].0, "retry_after");
        assert!(wrong(&throttle, "b@example.org", "192.0.2.1"), "others sign in");
    }

    #[test]
    fn the_right_password_costs_nothing_and_makes_its_address_known() {
        let throttle = throttle(2, 100, 100);
        let home = "192.0.2.1";
        for _ in 0..10 {
            let guess = throttle.guess("a@example.org", home.parse().expect("an address"));
            guess.admit().expect("there is room");
            guess.was_right();
        }
        for _ in 0..2 {
            assert!(wrong(&throttle, "a@example.org", "203.0.113.1"));
        }
        assert!(
            !wrong(&throttle, "a@example.org", "203.0.113.2"),
            "strangers wait"
        );
        assert!(wrong(&throttle, "a@example.org", home), "the owner does not");
    }

    #[test]
    fn an_address_and_a_network_take_so_many_whatever_the_account() {
        let addresses = throttle(100, 2, 100);
        assert!(wrong(&addresses, "a", "192.0.2.1") && wrong(&addresses, "b", "::ffff:192.0.2.1"));
        assert!(!wrong(&addresses, "c", "192.0.2.1") && wrong(&addresses, "c", "192.0.2.2"));
        let networks = throttle(100, 100, 2);
        assert!(wrong(&networks, "a", "2001:db8:0:1::1") && wrong(&networks, "b", "2001:db8:0:2::1"));
        assert!(!wrong(&networks, "c", "2001:db8:0:3::1") && wrong(&networks, "c", "2001:db8:1::1"));
    }
}
