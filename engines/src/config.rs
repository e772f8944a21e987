//! What the adapters read of the configuration.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub const CONFIG: Declared = Declared {
    defaults: include_str!("config.toml"),
    sections: &[
        Reader::of::<Directories>(),
        Reader::of::<Mail>(),
        Reader::of::<Sms>(),
        Reader::of::<WebPush>(),
    ],
};

/// `[content]`: where what is embedded keeps its files.
#[derive(Debug, Clone, Deserialize)]
pub struct Directories {
    /// Directory of the files.
    pub files_dir: PathBuf,
    /// Directory of the model's weights.
    pub model_dir: PathBuf,
}

impl Section for Directories {
    const NAME: &'static str = "content";

    fn check(&self, _: &mut Problems) {}
}

/// `[mail]`
#[derive(Debug, Clone, Deserialize)]
pub struct Mail {
    /// Directory of the .eml files, when there is no mail server.
    pub folder: PathBuf,
    /// The mail server, or empty; it may hold a password.
    pub smtp_url: SecretString,
    /// The sender, such as `Name <address>`.
    pub from: String,
}

impl Section for Mail {
    const NAME: &'static str = "mail";

    fn check(&self, problems: &mut Problems) {
        let url = self.smtp_url.expose_secret();
        problems.require(
            url.is_empty() || url.starts_with("smtp://") || url.starts_with("smtps://"),
            "mail.smtp_url: must start with smtp:// or smtps://",
        );
    }
}

/// `[sms]`
#[derive(Debug, Clone, Deserialize)]
pub struct Sms {
    /// Base address of the provider's API; empty means no text messages.
    pub url: String,
    /// Name of the account.
    pub account_sid: String,
    /// Its secret.
    pub auth_token: SecretString,
    /// The number or name that sends.
    pub from: String,
}

impl Sms {
    /// Whether text messages can be sent.
    pub fn is_on(&self) -> bool {
        !self.url.is_empty()
    }
}

impl Section for Sms {
    const NAME: &'static str = "sms";

    fn check(&self, problems: &mut Problems) {
        if !self.is_on() {
            return;
        }
        problems.require(
            is_web_address(&self.url),
            format!("sms.url: `{}` is not an http address", self.url),
        );
        problems.require(
            !self.account_sid.is_empty()
                && !self.auth_token.expose_secret().is_empty()
                && !self.from.is_empty(),
            "sms: account_sid, auth_token and from are needed",
        );
    }
}

/// `[web_push]`
#[derive(Debug, Clone, Deserialize)]
pub struct WebPush {
    /// The VAPID key, base64url; empty means no push messages.
    pub private_key: SecretString,
    /// Whom a push service may write to: a `mailto:` or `https:` address.
    pub contact: String,
    /// Origins of the push services messages may go to; `https://*.example` means every host below it.
    pub services: Vec<String>,
}

impl WebPush {
    /// Whether push messages can be sent.
    pub fn is_on(&self) -> bool {
        !self.private_key.expose_secret().is_empty()
    }
}

impl Section for WebPush {
    const NAME: &'static str = "web_push";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            !self.is_on() || self.contact.starts_with("mailto:") || self.contact.starts_with("https:"),
            "web_push.contact: must be a mailto: or https: address",
        );
    }
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}
