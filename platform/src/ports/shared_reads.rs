//! The shared read port: values that were read a moment ago, for all processes that share them.
//!
//! It promises one thing: what it gives is what was put under that key. It may forget anything at any moment, and whoever asks
//! reads for himself then, so nothing here fails. [`crate::read_through`] is how it is used.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

/// Values by key, and the generations of what changes. No key may ever name two values.
#[async_trait]
pub trait SharedReads: Send + Sync {
    /// What was put under this key, if it is known and not older than it may become.
    async fn get(&self, key: &str) -> Option<Bytes>;
    /// Keeps a value for a time.
    async fn put(&self, key: &str, value: Bytes, lifetime: Duration);
    /// The generation a topic is in, a name no other generation had; `None` when nobody can tell, and so nothing that changes
    /// can be shared.
    async fn generation(&self, topic: &str) -> Option<String>;
    /// Begins a new generation: none of the topic's values of before is asked for again by whoever asks from now on. While
    /// that cannot be told to all, this process knows no generation, and others may ask for those values until they expire.
    async fn advance(&self, topic: &str);
}
