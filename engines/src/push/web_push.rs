//! Web push (RFC 8030), encrypted for the browser (RFC 8291), signed by us (VAPID, RFC 8292).

use std::time::Duration;

use async_trait::async_trait;
use data_encoding::{BASE64URL_NOPAD, DecodeError};
use http::{HeaderValue, StatusCode, Uri, header};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use p256::{PublicKey, SecretKey, elliptic_curve::sec1::ToEncodedPoint as _, pkcs8::EncodePrivateKey as _};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use smartcourse_platform::{
    Error, Result,
    config::{Declared, Problems, Reader, Section},
    error::codes,
    ports::push::Pusher,
};
use url::Url;
use web_push_native::{Auth, WebPushBuilder};

use crate::outgoing::Outgoing;

/// What is declared here.
pub const CONFIG: Declared = Declared::of(
    r#"[web_push]
# The VAPID key (RFC 8292): 32 bytes in base64url, as `npx web-push generate-vapid-keys` prints; "" sends no push messages.
private_key = ""
# Whom a push service may write to about our messages.
contact = "mailto:admin@localhost"
# The push services messages may go to; nothing is sent to any other address a user names.
services = [
  "https://fcm.googleapis.com", "https://updates.push.services.mozilla.com", "https://*.push.apple.com",
  "https://*.notify.windows.com",
]
"#,
    &[Reader::of::<Settings>()],
);

/// `[web_push]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The VAPID key, base64url; empty means no push messages.
    pub private_key: SecretString,
    /// Whom a push service may write to: a `mailto:` or `https:` address.
    pub contact: String,
    /// Origins of the push services messages may go to; `https://*.example` means every host below it.
    pub services: Vec<String>,
}

impl Settings {
    /// Whether push messages can be sent.
    pub fn is_on(&self) -> bool {
        !self.private_key.expose_secret().is_empty()
    }
}

impl Section for Settings {
    const NAME: &'static str = "web_push";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            !self.is_on() || self.contact.starts_with("mailto:") || self.contact.starts_with("https:"),
            "web_push.contact: must be a mailto: or https: address",
        );
    }
}

/// How long a push service keeps a message for a browser that is away.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// Life of a signature; the standard allows 24 hours.
const SIGNED: Duration = Duration::from_secs(12 * 3600);

/// What a browser answers to a subscription, as JSON.
#[derive(Deserialize)]
struct Subscription {
    endpoint: String,
    keys: Keys,
}

#[derive(Deserialize)]
struct Keys {
    p256dh: String,
    auth: String,
}

/// The push services of browsers.
pub struct WebPush {
    http: Outgoing,
    signing: EncodingKey,
    key: String,
    contact: String,
    services: Vec<String>,
}

impl WebPush {
    /// With our key and the services that may be called. Fails when a setting cannot be used.
    pub fn new(settings: &Settings) -> Result<Self> {
        let broken = || Error::internal("web_push.private_key is not a VAPID key");
        let bytes = decode(settings.private_key.expose_secret()).map_err(|error| broken().because(error))?;
        let secret = SecretKey::from_slice(&bytes).map_err(|error| broken().because(error))?;
        let der = secret.to_pkcs8_der().map_err(|error| broken().because(error))?;
        let public = secret.public_key().to_encoded_point(false);
        Ok(Self {
            http: Outgoing::new("the push service")?,
            signing: EncodingKey::from_ec_der(der.as_bytes()),
            key: BASE64URL_NOPAD.encode(public.as_bytes()),
            contact: settings.contact.clone(),
            services: settings.services.clone(),
        })
    }

    /// Reads a subscription. A user wrote it, so it may name the address of a machine that is none of their business:
    /// only the configured services are called.
    fn read(&self, text: &str) -> Result<(Url, PublicKey, Auth)> {
        let refused = |detail: &str| Error::new(&codes::DELIVERY_REFUSED, detail);
        let subscription: Subscription = serde_json::from_str(text)
            .map_err(|error| refused("the push subscription has no endpoint and keys").because(error))?;
        let endpoint = Url::parse(&subscription.endpoint)
            .map_err(|error| refused("the endpoint of the push subscription is no address").because(error))?;
        if !self.services.iter().any(|service| is_of(&endpoint, service)) {
            return Err(refused(
                "the endpoint of the push subscription is not at a known push service",
            ));
        }
        let keys = decode(&subscription.keys.p256dh)
            .ok()
            .and_then(|bytes| PublicKey::from_sec1_bytes(&bytes).ok())
            .zip(
                decode(&subscription.keys.auth)
                    .ok()
                    .filter(|auth| auth.len() == Auth::default().len()),
            );
        let (public, auth) =
            keys.ok_or_else(|| refused("the keys of the push subscription cannot be used"))?;
        Ok((endpoint, public, Auth::clone_from_slice(&auth)))
    }

    /// The `Authorization` of a call to this push service.
    fn authorization(&self, endpoint: &Url) -> Result<HeaderValue> {
        let broken = || Error::internal("a push message could not be signed");
        let claims = json!({
            "aud": endpoint.origin().ascii_serialization(),
            "exp": jsonwebtoken::get_current_timestamp() + SIGNED.as_secs(),
            "sub": self.contact,
        });
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing)
            .map_err(|error| broken().because(error))?;
        HeaderValue::try_from(format!("vapid t={token}, k={}", self.key))
            .map_err(|error| broken().because(error))
    }
}

/// The bytes of a text in base64url, with or without padding.
fn decode(text: &str) -> std::result::Result<Vec<u8>, DecodeError> {
    BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes())
}

/// Whether an address is at a push service: `https://host`, or `https://*.host` for every host below it.
fn is_of(endpoint: &Url, service: &str) -> bool {
    let origin = endpoint.origin().ascii_serialization();
    match service.split_once("://*.") {
        Some((scheme, domain)) => {
            let below = format!(".{domain}");
            endpoint.scheme() == scheme
                && endpoint.port().is_none()
                && endpoint.host_str().is_some_and(|host| host.ends_with(&below))
        }
        None => origin == service.trim_end_matches('/'),
    }
}

#[async_trait]
impl Pusher for WebPush {
    fn key(&self) -> &str {
        &self.key
    }

    fn check(&self, subscription: &str) -> Result<()> {
        self.read(subscription).map(drop)
    }

    async fn send(&self, id: &str, subscription: &str, message: &[u8]) -> Result<()> {
        let (endpoint, public, auth) = self.read(subscription)?;
        let broken = || Error::internal("a push message could not be written");
        let uri: Uri = endpoint
            .as_str()
            .parse()
            .map_err(|error| broken().because(error))?;
        let mut request = WebPushBuilder::new(uri, public, auth)
            .with_valid_duration(KEPT)
            .build(message)
            .map_err(|error| broken().because(error))?;
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.authorization(&endpoint)?);
        headers.insert("topic", topic(id).map_err(|error| broken().because(error))?);
        let answer = self.http.call(request).await?;
        // The browser unsubscribed, or its subscription expired (RFC 8030, section 7.3).
        let status = answer.status();
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
            let detail = format!("the push service answers {status}");
            return Err(Error::new(&codes::SUBSCRIPTION_GONE, detail));
        }
        self.http.judge(&answer)
    }
}

/// The name under which a later message replaces one that waits: at most 32 letters, digits, `-` and `_`.
fn topic(id: &str) -> std::result::Result<HeaderValue, header::InvalidHeaderValue> {
    let letters = id.bytes().filter(u8::is_ascii_alphanumeric).take(32);
    HeaderValue::from_bytes(&letters.collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_services_are_called() {
        let is = |endpoint: &str, service: &str| is_of(&Url::parse(endpoint).expect("a URL"), service);
        assert!(is(
            "https://fcm.googleapis.com/fcm/send/x",
            "https://fcm.googleapis.com"
        ));
        assert!(is(
            "https://wns2.notify.windows.com/w/",
            "https://*.notify.windows.com"
        ));
        for endpoint in [
            "http://fcm.googleapis.com/",
            "https://fcm.googleapis.com:8443/",
            "https://fcm.googleapis.com.evil.example/",
            "https://fcm.googleapis.com@127.0.0.1/",
            "https://notify.windows.com/",
            "https://evilnotify.windows.com/",
            "https://a.notify.windows.com:22/",
            "file:///etc/passwd",
            "http://169.254.169.254/",
        ] {
            for service in ["https://fcm.googleapis.com", "https://*.notify.windows.com"] {
                assert!(!is(endpoint, service), "{endpoint}");
            }
        }
    }
}
