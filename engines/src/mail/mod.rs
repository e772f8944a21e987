//! Adapters of the mail port.

pub mod folder;
mod message;
pub mod smtp;

use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use smartcourse_platform::{
    Error, Result,
    config::{Declared, Problems, Reader, Section},
};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(
    r#"[mail]
# Without a mail server each mail becomes a file of this directory.
folder = "./mail"
# The mail server: smtps://user:password@host (TLS), smtp://user:password@host:587?tls=required (STARTTLS) or
# smtp://host:25 (neither: only for a server on the same machine). "" writes files.
smtp_url = ""
# Who sends.
from = "SmartCourse <no-reply@localhost>"
"#,
    &[Reader::of::<Settings>()],
);

/// `[mail]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Directory of the .eml files, when there is no mail server.
    pub folder: PathBuf,
    /// The mail server, or empty; it may hold a password.
    pub smtp_url: SecretString,
    /// The sender, such as `Name <address>`.
    pub from: String,
}

impl Section for Settings {
    const NAME: &'static str = "mail";

    fn check(&self, problems: &mut Problems) {
        let url = self.smtp_url.expose_secret();
        problems.require(
            url.is_empty() || url.starts_with("smtp://") || url.starts_with("smtps://"),
            "mail.smtp_url: must start with smtp:// or smtps://",
        );
    }
}

/// Whom mails are from. Fails when it is no address.
pub fn sender(from: &str) -> Result<Mailbox> {
    from.parse().map_err(|error| {
        let detail = format!("mail.from: `{from}` is not an address, such as Name <a@example.org>");
        Error::internal(detail).because(error)
    })
}
