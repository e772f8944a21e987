//! Rate limits in the process: each has its own.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use governor::{
    Quota as Rate, RateLimiter,
    clock::{Clock as _, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use smartcourse_platform::{
    Result,
    ports::rate_limits::{Quota, RateLimits, Taken},
};

/// Buckets that are full again are forgotten after this many requests.
const SWEEP_EVERY: u32 = 4096;

type Buckets = RateLimiter<String, DefaultKeyedStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// The buckets of this process.
#[derive(Default)]
pub struct InProcess {
    quotas: RwLock<HashMap<Quota, Arc<Buckets>>>,
    until_sweep: AtomicU32,
}

impl InProcess {
    fn buckets(&self, quota: Quota) -> Arc<Buckets> {
        let quotas = self.quotas.read().unwrap_or_else(PoisonError::into_inner);
        let known = quotas.get(&quota).cloned();
        drop(quotas);
        known.unwrap_or_else(|| {
            let mut quotas = self.quotas.write().unwrap_or_else(PoisonError::into_inner);
            let rate = Rate::per_second(quota.per_second).allow_burst(quota.burst);
            let new = || Arc::new(RateLimiter::keyed(rate).with_middleware());
            Arc::clone(quotas.entry(quota).or_insert_with(new))
        })
    }
}

#[async_trait]
impl RateLimits for InProcess {
    async fn take(&self, bucket: &str, quota: Quota) -> Result<Taken> {
        let buckets = self.buckets(quota);
        if self.until_sweep.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            buckets.retain_recent();
        }
        Ok(match buckets.check_key(&bucket.to_owned()) {
            Ok(state) => Taken {
                remaining: state.remaining_burst_capacity(),
                retry_after: None,
            },
            Err(not_until) => Taken {
                remaining: 0,
                retry_after: Some(not_until.wait_time_from(DefaultClock::default().now())),
            },
        })
    }
}
