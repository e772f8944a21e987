//! The settings of background tasks and of what they send: mail, text messages, push messages.

use std::{path::PathBuf, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Longest pause before a failed task is run again.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// `[tasks]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tasks {
    /// Tasks of each kind that run at once in one process.
    pub concurrency: usize,
    /// Runs before a task is given up.
    pub max_tries: i32,
    /// First pause between runs in milliseconds.
    pub retry_initial_ms: u64,
    /// By how much each further pause is longer than the one before.
    pub retry_factor: f64,
    /// Seconds after which a dead process's task goes to another.
    pub lease_seconds: u64,
}

impl Tasks {
    /// How long a task stays with a process that says nothing.
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// The pause after so many failed runs.
    pub fn pause(&self, tries: i32) -> Duration {
        let initial = Duration::from_millis(self.retry_initial_ms).as_secs_f64();
        let pause = initial * self.retry_factor.powi(tries.saturating_sub(1).max(0));
        Duration::from_secs_f64(pause.min(LONGEST_PAUSE.as_secs_f64()))
    }

    pub(super) fn check(&self, require: &mut impl FnMut(bool, String)) {
        require(
            (1..=1000).contains(&self.concurrency),
            "tasks.concurrency: must be 1 to 1000".to_owned(),
        );
        require(
            self.max_tries >= 1,
            "tasks.max_tries: must be at least 1".to_owned(),
        );
        require(
            (1.0..=1000.0).contains(&self.retry_factor),
            "tasks.retry_factor: must be 1 to 1000".to_owned(),
        );
        require(
            self.lease_seconds >= 1,
            "tasks.lease_seconds: must be at least 1".to_owned(),
        );
    }
}

/// `[mail]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Directory of the .eml files, when there is no mail server.
    pub folder: PathBuf,
    /// The mail server, or empty; it may hold a password.
    pub smtp_url: SecretString,
    /// The sender, such as `Name <address>`.
    pub from: String,
    /// Base address of links; empty means the gateway's.
    pub public_url: String,
}

impl Mail {
    pub(super) fn check(&self, require: &mut impl FnMut(bool, String)) {
        let url = self.smtp_url.expose_secret();
        require(
            url.is_empty() || url.starts_with("smtp://") || url.starts_with("smtps://"),
            "mail.smtp_url: must start with smtp:// or smtps://".to_owned(),
        );
        require(
            self.public_url.is_empty() || is_web_address(&self.public_url),
            format!("mail.public_url: `{}` is not an http address", self.public_url),
        );
    }
}

/// `[sms]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
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

    pub(super) fn check(&self, require: &mut impl FnMut(bool, String)) {
        if !self.is_on() {
            return;
        }
        require(
            is_web_address(&self.url),
            format!("sms.url: `{}` is not an http address", self.url),
        );
        require(
            !self.account_sid.is_empty()
                && !self.auth_token.expose_secret().is_empty()
                && !self.from.is_empty(),
            "sms: account_sid, auth_token and from are needed".to_owned(),
        );
    }
}

/// `[web_push]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
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

    pub(super) fn check(&self, require: &mut impl FnMut(bool, String)) {
        require(
            !self.is_on() || self.contact.starts_with("mailto:") || self.contact.starts_with("https:"),
            "web_push.contact: must be a mailto: or https: address".to_owned(),
        );
    }
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

#[cfg(test)]
mod tests {
    use figment::{
        Figment,
        providers::{Format as _, Toml},
    };

    use super::*;

    #[test]
    fn the_pauses_grow_and_have_an_end() {
        let defaults = Figment::from(Toml::string(crate::config::DEFAULTS));
        let config: crate::config::Config = defaults.extract().expect("defaults parse");
        let pauses: Vec<u64> = (1..=4).map(|tries| config.tasks.pause(tries).as_secs()).collect();
        assert_eq!(pauses, [5, 60, 300, 300]);
        assert_eq!(config.tasks.pause(i32::MAX), LONGEST_PAUSE);
    }
}
