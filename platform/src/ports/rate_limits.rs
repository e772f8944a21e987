//! The rate limit port: buckets that requests take from and time fills again.

use std::{num::NonZeroU32, time::Duration};

use async_trait::async_trait;

use crate::error::Result;

/// The size of a bucket, and how fast it fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Requests that fill it again each second.
    pub per_second: NonZeroU32,
    /// Requests a full one has.
    pub burst: NonZeroU32,
}

/// What taking one request from a bucket found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Requests left.
    pub remaining: u32,
    /// There was none: how long until there is one.
    pub retry_after: Option<Duration>,
}

/// Buckets by name. All processes that share them take from the same; losing them makes all buckets full, and while they cannot be
/// reached, or take nothing, each process may have some of its own.
#[async_trait]
pub trait RateLimits: Send + Sync {
    /// Takes a request from a bucket, which is full when it was never heard of; `unavailable` when nobody can tell.
    async fn take(&self, bucket: &str, quota: Quota) -> Result<Taken>;
}
