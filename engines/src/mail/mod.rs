//! The mail port: a folder of `.eml` files, or a mail server.

mod folder;
mod message;
mod smtp;

use std::sync::Arc;

use async_trait::async_trait;
use lettre::message::Mailbox;
use secrecy::ExposeSecret;

pub use folder::Folder;
pub use smtp::Smtp;

use crate::{
    config,
    error::{Error, Result},
};

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
    ///
    /// # Errors
    /// `delivery_refused` when it will never be taken, `unavailable` when it may be later.
    async fn send(&self, id: &str, mail: &Mail) -> Result<()>;
}

/// The configured mailer.
///
/// # Errors
/// When a setting cannot be used.
pub fn mailer(config: &config::Mail) -> Result<Arc<dyn Mailer>> {
    let from: Mailbox = config
        .from
        .parse()
        .map_err(|error| Error::internal("mail.from is not an address").because(error))?;
    Ok(if config.smtp_url.expose_secret().is_empty() {
        Arc::new(Folder::new(&config.folder, from)?)
    } else {
        Arc::new(Smtp::new(&config.smtp_url, from)?)
    })
}
