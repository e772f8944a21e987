//! A provider that speaks Twilio's API.

use async_trait::async_trait;
use data_encoding::BASE64;
use http::{Request, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use smartcourse_platform::{
    Error, Result,
    config::{Declared, Problems, Reader, Section},
    ports::sms::Texter,
};
use url::Url;

use crate::outgoing::Outgoing;

/// What is declared here.
pub const CONFIG: Declared = Declared::of(
    r#"[sms]
# Base address of a provider that speaks Twilio's API, such as https://api.twilio.com; "" sends no text messages.
url = ""
account_sid = ""
auth_token = ""
# The number or name that sends. In an environment variable a number needs quotes of its own: '"+4915112345678"'.
from = ""
"#,
    &[Reader::of::<Settings>()],
);

/// `[sms]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Base address of the provider's API; empty means no text messages.
    pub url: String,
    /// Name of the account.
    pub account_sid: String,
    /// Its secret.
    pub auth_token: SecretString,
    /// The number or name that sends.
    pub from: String,
}

impl Settings {
    /// Whether text messages can be sent.
    pub fn is_on(&self) -> bool {
        !self.url.is_empty()
    }
}

impl Section for Settings {
    const NAME: &'static str = "sms";

    fn check(&self, problems: &mut Problems) {
        if !self.is_on() {
            return;
        }
        problems.require(
            Url::parse(&self.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")),
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

/// Twilio, or whoever speaks its API.
pub struct Twilio {
    http: Outgoing,
    url: Url,
    authorization: SecretString,
    from: String,
}

impl Twilio {
    /// With our account. Fails when a setting cannot be used.
    pub fn new(settings: &Settings) -> Result<Self> {
        let broken = || Error::internal("sms.url cannot be used");
        let mut url = Url::parse(&settings.url).map_err(|error| broken().because(error))?;
        url.path_segments_mut()
            .map_err(|()| broken())?
            .pop_if_empty()
            .extend(["2010-04-01", "Accounts", &settings.account_sid, "Messages.json"]);
        let credentials = format!("{}:{}", settings.account_sid, settings.auth_token.expose_secret());
        Ok(Self {
            http: Outgoing::new("the text message provider")?,
            url,
            authorization: format!("Basic {}", BASE64.encode(credentials.as_bytes())).into(),
            from: settings.from.clone(),
        })
    }
}

#[async_trait]
impl Texter for Twilio {
    async fn send(&self, to: &str, text: &str) -> Result<()> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("To", to)
            .append_pair("From", &self.from)
            .append_pair("Body", text)
            .finish();
        let request = Request::post(self.url.as_str())
            .header(header::AUTHORIZATION, self.authorization.expose_secret())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into_bytes())
            .map_err(|error| Error::internal("a request to the provider is broken").because(error))?;
        self.http.send(request).await
    }
}
