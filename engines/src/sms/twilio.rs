//! The text message port: a provider that speaks Twilio's API.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Request, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::outgoing::Outgoing;
use crate::{
    config,
    error::{Error, Result},
};

/// Sends text messages.
#[async_trait]
pub trait Texter: Send + Sync + 'static {
    /// Hands a message for a number (E.164) over. Providers know no id of ours: what is handed over again is sent again.
    ///
    /// # Errors
    /// `delivery_refused` when it will never be taken, `unavailable` when it may be later.
    async fn send(&self, to: &str, text: &str) -> Result<()>;
}

/// The configured texter; none when text messages are off.
///
/// # Errors
/// When a setting cannot be used.
pub fn texter(config: &config::Sms) -> Result<Option<Arc<dyn Texter>>> {
    if !config.is_on() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Twilio::new(config)?)))
}

/// Twilio, or whoever speaks its API.
struct Twilio {
    http: Outgoing,
    url: Url,
    authorization: SecretString,
    from: String,
}

impl Twilio {
    fn new(config: &config::Sms) -> Result<Self> {
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
            authorization: format!("Basic {}", STANDARD.encode(credentials)).into(),
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
