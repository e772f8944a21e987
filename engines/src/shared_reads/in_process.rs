//! Shared reads in the process. It cannot hear what other processes change, so it knows no generations, and keeps only what
//! never changes.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use moka::{Expiry, sync::Cache};
use smartcourse_platform::ports::shared_reads::SharedReads;

/// Bytes that are kept at most.
const BYTES: u64 = 32 << 20;

/// The reads of this process.
pub struct InProcess(Cache<String, (Bytes, Duration)>);

impl Default for InProcess {
    fn default() -> Self {
        let weight = |key: &String, (value, _): &(Bytes, Duration)| key.len() + value.len();
        let cache = Cache::builder()
            .max_capacity(BYTES)
            .weigher(move |key, value| u32::try_from(weight(key, value)).unwrap_or(u32::MAX))
            .expire_after(Lifetimes);
        Self(cache.build())
    }
}

/// Each value has its own.
struct Lifetimes;

impl Expiry<String, (Bytes, Duration)> for Lifetimes {
    fn expire_after_create(&self, _: &String, value: &(Bytes, Duration), _: Instant) -> Option<Duration> {
        Some(value.1)
    }

    fn expire_after_update(
        &self,
        _: &String,
        value: &(Bytes, Duration),
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.1)
    }
}

#[async_trait]
impl SharedReads for InProcess {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).map(|(value, _)| value)
    }

    async fn put(&self, key: &str, value: Bytes, lifetime: Duration) {
        self.0.insert(key.to_owned(), (value, lifetime));
    }

    async fn generation(&self, _: &str) -> Option<String> {
        None
    }

    async fn advance(&self, _: &str) {}
}
