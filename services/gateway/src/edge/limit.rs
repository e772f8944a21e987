//! Rate limits: a bucket per signed-in user, and one per address for everybody else.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
};
use smartcourse_platform::{Error, config::Gateway, error::codes, server::network};

/// Buckets that are full again are forgotten after this many requests.
const SWEEP_EVERY: u32 = 4096;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// The limits of one gateway.
pub(crate) struct Limits {
    users: Buckets<i64>,
    addresses: Buckets<IpAddr>,
}

impl Limits {
    pub(crate) fn new(config: &Gateway) -> Self {
        Self {
            users: Buckets::new("user", config.user_rate_per_second, config.user_burst),
            addresses: Buckets::new("address", config.address_rate_per_second, config.address_burst),
        }
    }

    /// Takes one from a user's bucket.
    pub(crate) fn take_user(&self, id: i64) -> Decision {
        self.users.take(id)
    }

    /// Takes one from the bucket of an address and its [`network`].
    pub(crate) fn take_address(&self, address: IpAddr) -> Decision {
        self.addresses.take(network(address))
    }
}

type Limiter<K> = RateLimiter<
    K,
    governor::state::keyed::DefaultKeyedStateStore<K>,
    DefaultClock,
    StateInformationMiddleware,
>;

struct Buckets<K: Clone + Eq + std::hash::Hash> {
    name: &'static str,
    rate: NonZeroU32,
    burst: NonZeroU32,
    limiter: Limiter<K>,
    until_sweep: AtomicU32,
}

impl<K: Clone + Eq + std::hash::Hash> Buckets<K> {
    fn new(name: &'static str, rate: u32, burst: u32) -> Self {
        // The configuration refuses zero.
        let positive = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        let (rate, burst) = (positive(rate), positive(burst));
        let quota = Quota::per_second(rate).allow_burst(burst);
        let limiter = DefaultKeyedRateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Self {
            name,
            rate,
            burst,
            limiter,
            until_sweep: AtomicU32::new(0),
        }
    }

    fn take(&self, key: K) -> Decision {
        if self.until_sweep.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        let (remaining, wait) = match self.limiter.check_key(&key) {
            Ok(state) => (state.remaining_burst_capacity(), None),
            Err(not_until) => {
                let wait = not_until.wait_time_from(DefaultClock::default().now());
                (0, Some(wait.as_secs() + 1))
            }
        };
        let refill = (self.burst.get() - remaining.min(self.burst.get())).div_ceil(self.rate.get());
        Decision {
            name: self.name,
            burst: self.burst.get(),
            window: self.burst.get().div_ceil(self.rate.get()),
            remaining,
            refill,
            wait,
        }
    }
}

/// Whether a request goes on, and what its headers say.
pub(crate) struct Decision {
    name: &'static str,
    burst: u32,
    window: u32,
    remaining: u32,
    refill: u32,
    wait: Option<u64>,
}

impl Decision {
    /// The refusal, if it is one.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let wait = self.wait?;
        Some(
            Error::new(
                &codes::TOO_MANY_REQUESTS,
                format!("over the limit of this {}", self.name),
            )
            .with_fact("retry_after", wait),
        )
    }

    /// Writes `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        let name = self.name;
        let policy = format!("\"{name}\";q={};w={}", self.burst, self.window);
        let limit = format!(
            "\"{name}\";r={};t={}",
            self.remaining,
            self.wait.map_or(self.refill.into(), |wait| wait)
        );
        for (header, text) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(header, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use smartcourse_platform::config::Config;

    use super::*;

    fn limits() -> Limits {
        let defaults = Config::load(None).expect("the defaults are valid").gateway;
        Limits::new(&Gateway {
            user_rate_per_second: 1,
            user_burst: 2,
            address_rate_per_second: 1,
            address_burst: 1,
            ..defaults
        })
    }

    #[test]
    fn a_burst_passes_and_then_the_caller_waits() {
        let limits = limits();
        assert!(limits.take_user(7).refusal().is_none());
        assert!(limits.take_user(7).refusal().is_none());
        let third = limits.take_user(7);
        let refusal = third.refusal().expect("over the limit");
        assert_eq!(refusal.facts(), [("retry_after".to_owned(), 1.into())]);
        let mut headers = HeaderMap::new();
        third.describe(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"user\";q=2;w=2");
        assert_eq!(headers["ratelimit"], "\"user\";r=0;t=1");
        assert!(limits.take_user(8).refusal().is_none(), "others are not affected");
    }

    #[test]
    fn addresses_of_one_network_share_a_bucket() {
        let limits = limits();
        let take = |text: &str| limits.take_address(text.parse().expect("an address")).refusal();
        assert!(take("2001:db8::1").is_none());
        assert!(take("2001:db8::2").is_some());
        assert!(take("2001:db8:0:1::1").is_none());
        assert!(take("192.0.2.1").is_none());
        assert!(take("::ffff:192.0.2.1").is_some());
    }
}
