//! Adapters of the mail port.

pub mod folder;
mod message;
pub mod smtp;

use lettre::message::Mailbox;
use smartcourse_platform::{Error, Result};

/// Whom mails are from.
///
/// # Errors
/// When it is no address.
pub fn sender(from: &str) -> Result<Mailbox> {
    from.parse().map_err(|error| {
        let detail = format!("mail.from: `{from}` is not an address, such as Name <a@example.org>");
        Error::internal(detail).because(error)
    })
}
