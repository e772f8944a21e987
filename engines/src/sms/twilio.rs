//! A provider that speaks Twilio's API.

use async_trait::async_trait;
use data_encoding::BASE64;
use http::{Request, header};
use secrecy::{ExposeSecret, SecretString};
use smartcourse_platform::{Error, Result, ports::sms::Texter};
use url::Url;

use crate::{config, outgoing::Outgoing};

/// Twilio, or whoever speaks its API.
pub struct Twilio {
    http: Outgoing,
    url: Url,
    authorization: SecretString,
    from: String,
}

impl Twilio {
    /// With our account.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn new(config: &config::Sms) -> Result<Self> {
        let broken = || Error::internal("sms.url cannot be used");
        let mut url = Url::parse(&config.url).map_err(|error| broken().because(error))?;
        url.path_segments_mut()
            .map_err(|()| broken())?
            .pop_if_empty()
            .extend(["2010-04-01", "Accounts", &config.account_sid, "Messages.json"]);
        let credentials = format!("{}:{}", config.account_sid, config.auth_token.expose_secret());
        Ok(Self {
            http: Outgoing::new("the text message provider")?,
            url,
            authorization: format!("Basic {}", BASE64.encode(credentials.as_bytes())).into(),
            from: config.from.clone(),
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
