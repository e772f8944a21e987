//! The announcement port: what every process should hear of now, instead of when it looks the next time.
//!
//! An announcement is a hint and may be lost, so whoever hears them also looks by itself.

use async_trait::async_trait;
use futures::stream::BoxStream;

/// Tells the processes that share it.
#[async_trait]
pub trait Announcements: Send + Sync {
    /// Tells all who hear this topic, in whatever process; answered when it is on its way.
    async fn announce(&self, topic: &'static str);
    /// Hears a topic: once for each announcement or several of them, and once when some may have been missed. Never ends.
    fn hear(&self, topic: &'static str) -> BoxStream<'static, ()>;
}
