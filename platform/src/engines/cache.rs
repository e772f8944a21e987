//! The cache port: small values for a short time. Losing it costs time, never correctness.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// A cache.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The value, if it is still there.
    async fn get(&self, key: &str) -> Option<Bytes>;
    /// Keeps a value for at most the cache's time to live.
    async fn put(&self, key: &str, value: Bytes);
    /// Forgets a value.
    async fn remove(&self, key: &str);
}

/// In process, bounded by number and age.
pub struct InProcess(moka::future::Cache<String, Bytes>);

impl InProcess {
    /// At most `capacity` values, each for `time_to_live`.
    pub fn new(capacity: u64, time_to_live: Duration) -> Self {
        Self(
            moka::future::Cache::builder()
                .max_capacity(capacity)
                .time_to_live(time_to_live)
                .build(),
        )
    }
}

#[async_trait]
impl Cache for InProcess {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).await
    }

    async fn put(&self, key: &str, value: Bytes) {
        self.0.insert(key.to_owned(), value).await;
    }

    async fn remove(&self, key: &str) {
        self.0.invalidate(key).await;
    }
}
