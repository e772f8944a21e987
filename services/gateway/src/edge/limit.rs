//! Rate limits: a bucket per signed-in user, and one per address for everybody else.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use smartcourse_platform::{
    Error,
    ports::rate_limits::{Quota, RateLimits, Taken},
    server::network,
};

use crate::{codes, config::Gateway};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

#[derive(Clone)]
pub(crate) struct Limits {
    buckets: Arc<dyn RateLimits>,
    user: Quota,
    address: Quota,
}

impl Limits {
    pub(crate) fn new(config: &Gateway, buckets: Arc<dyn RateLimits>) -> Self {
        // The configuration refuses zero.
        let positive = |value: u32| NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        let quota = |rate, burst| Quota {
            per_second: positive(rate),
            burst: positive(burst),
        };
        Self {
            buckets,
            user: quota(config.user_rate_per_second, config.user_burst),
            address: quota(config.address_rate_per_second, config.address_burst),
        }
    }

    pub(crate) async fn take_user(&self, id: i64) -> Decision {
        self.take("user", &format!("user/{id}"), self.user).await
    }

    /// Takes one from the bucket of an address and its [`network`].
    pub(crate) async fn take_address(&self, address: IpAddr) -> Decision {
        let bucket = format!("address/{}", network(address));
        self.take("address", &bucket, self.address).await
    }

    /// Where nobody can tell, requests go on: limits are there for the service, not the other way round.
    async fn take(&self, name: &'static str, bucket: &str, quota: Quota) -> Decision {
        let taken = self.buckets.take(bucket, quota).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error.chain(), "nobody can tell whether a caller is within its limits");
            Taken {
                remaining: quota.burst.get(),
                retry_after: None,
            }
        });
        let (rate, burst) = (quota.per_second.get(), quota.burst.get());
        Decision {
            name,
            burst,
            window: burst.div_ceil(rate),
            remaining: taken.remaining,
            refill: (burst - taken.remaining.min(burst)).div_ceil(rate),
            wait: taken.retry_after.map(|wait| wait.as_secs() + 1),
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
    use smartcourse_tests::engines::rate_limits::in_process::InProcess;

    use super::*;
    use crate::config::CONFIG;

    fn limits() -> Limits {
        let defaults = Config::load(&[CONFIG], None, &[]).expect("the defaults are valid");
        let config = Gateway {
            user_rate_per_second: 1,
            user_burst: 2,
            address_rate_per_second: 1,
            address_burst: 1,
            ..defaults.section().expect("is declared")
        };
        Limits::new(&config, Arc::new(InProcess::default()))
    }

    #[tokio::test]
    async fn a_burst_passes_and_then_the_caller_waits() {
        let limits = limits();
        assert!(limits.take_user(7).await.refusal().is_none());
        assert!(limits.take_user(7).await.refusal().is_none());
        let third = limits.take_user(7).await;
        let refusal = third.refusal().expect("over the limit");
        assert_eq!(refusal.facts(), [("retry_after".to_owned(), 1.into())]);
        let mut headers = HeaderMap::new();
        third.describe(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"user\";q=2;w=2");
        assert_eq!(headers["ratelimit"], "\"user\";r=0;t=1");
        assert!(
            limits.take_user(8).await.refusal().is_none(),
            "others are not affected"
        );
    }

    #[tokio::test]
    async fn addresses_of_one_network_share_a_bucket() {
        let limits = limits();
        let take = async |text: &str| {
            limits
                .take_address(text.parse().expect("an address"))
                .await
                .refusal()
        };
        assert!(take("2001:db8::1").await.is_none());
        assert!(take("2001:db8::2").await.is_some());
        assert!(take("2001:db8:0:1::1").await.is_none());
        assert!(take("192.0.2.1").await.is_none());
        assert!(take("::ffff:192.0.2.1").await.is_some());
    }
}
