//! The mail port.

use async_trait::async_trait;

use crate::error::Result;

/// A mail to one person. Any text may be in it: nothing of it can become a header of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Address.
    pub to: String,
    /// Name of the person.
    pub to_name: String,
    /// Subject.
    pub subject: String,
    /// The text for readers without HTML.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// Where a POST ends mails of this kind (RFC 8058).
    pub unsubscribe_url: String,
}

/// Hands mails over.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Hands a mail over. `id` is the same whenever the same mail is sent again; the `Message-ID` is made from it.
    /// Fails with `delivery_refused` when it will never be taken, `delivery_failed` when it may be later.
    async fn send(&self, id: &str, mail: &Mail) -> Result<()>;
}
