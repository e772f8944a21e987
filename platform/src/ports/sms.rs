//! The text message port.

use async_trait::async_trait;

use crate::error::Result;

/// Sends text messages.
#[async_trait]
pub trait Texter: Send + Sync + 'static {
    /// Hands a message for a number (E.164) over. Providers know no id of ours: what is handed over again is sent
    /// again. Fails with `delivery_refused` when it will never be taken, `delivery_failed` when it may be later.
    async fn send(&self, to: &str, text: &str) -> Result<()>;
}
