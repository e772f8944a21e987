//! Mails through a mail server. A crash between the server's acceptance and our commit sends a mail again, under the same
//! `Message-ID`.

use std::time::Duration;

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor,
    message::Mailbox,
    transport::smtp::{self, PoolConfig},
};
use secrecy::{ExposeSecret, SecretString};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    ports::mail::{Mail, Mailer},
    unbroken,
};

use super::message::message;

/// How long one command may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Answers that refuse us, not the mail: no or wrong credentials, encryption or mechanism (RFC 4954). Whoever runs the
/// product can mend that.
const SIGN_IN: [u16; 4] = [530, 534, 535, 538];
/// Connections that are kept.
const CONNECTIONS: u32 = 4;

/// A mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    /// Connects when the first mail is sent. The scheme and `?tls=` of the URL say whether the connection is encrypted.
    /// Fails when the URL cannot be read.
    pub fn new(url: &SecretString, from: Mailbox) -> Result<Self> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
            .map_err(|error| Error::internal("mail.smtp_url cannot be used").because(error))?
            .timeout(Some(TIMEOUT))
            .pool_config(PoolConfig::new().max_size(CONNECTIONS))
            .build();
        Ok(Self { transport, from })
    }
}

#[async_trait]
impl Mailer for Smtp {
    async fn send(&self, id: &str, mail: &Mail) -> Result<()> {
        let message = message(id, mail, &self.from)?;
        let transport = self.transport.clone();
        // Given up half-way, a kept connection would take the server's answer for that to the next mail.
        unbroken(async move { transport.send(message).await.map_err(failure) }).await?;
        Ok(())
    }
}

/// A refusal of the mail with 5xx is for good (RFC 5321); everything else may pass.
fn failure(error: smtp::Error) -> Error {
    if error.status().is_some_and(|code| SIGN_IN.contains(&code.into())) {
        let detail = "the mail server does not let us in: see mail.smtp_url";
        return Error::new(&codes::DELIVERY_FAILED, detail).because(error);
    }
    if error.is_permanent() {
        return Error::new(&codes::DELIVERY_REFUSED, "the mail server refused the mail").because(error);
    }
    Error::new(&codes::DELIVERY_FAILED, "the mail server did not take the mail").because(error)
}
