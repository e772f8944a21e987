//! The push message port: messages to browsers.

use async_trait::async_trait;

use crate::error::Result;

/// Sends push messages.
#[async_trait]
pub trait Pusher: Send + Sync + 'static {
    /// What a browser needs to subscribe: its `applicationServerKey`.
    fn key(&self) -> &str;

    /// Whether messages can go to this subscription; else `delivery_refused` with what is wrong with it.
    fn check(&self, subscription: &str) -> Result<()>;

    /// Hands a message for a subscription over. One that is handed over again takes the place of the first, as long as
    /// that was not shown. `delivery_refused` when it will never be taken, `subscription_gone` when nothing will ever reach
    /// that browser again, `delivery_failed` when it may be taken later.
    async fn send(&self, id: &str, subscription: &str, message: &[u8]) -> Result<()>;
}
