//! OpenSearch, by its HTTP interface.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[
        ("OPENSEARCH_URL", "opensearch.url"),
        ("OPENSEARCH_USERNAME", "opensearch.username"),
        ("OPENSEARCH_PASSWORD", "opensearch.password"),
    ],
    ..Declared::of(
        r#"[opensearch]
# The server of search, such as https://host:9200; OPENSEARCH_URL wins. "": PostgreSQL searches.
url = ""
# Who we are to it; "" when it asks for nobody. OPENSEARCH_USERNAME and OPENSEARCH_PASSWORD win.
username = ""
password = ""
# The alias that is asked; the index behind it is called like it, with the version of its fields.
alias = "smartcourse_search"
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[opensearch]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The server, or empty.
    pub url: String,
    /// Who we are to it, or empty.
    pub username: String,
    /// And the proof.
    pub password: SecretString,
    /// The alias that is asked.
    pub alias: String,
}

impl Section for Settings {
    const NAME: &'static str = "opensearch";

    fn check(&self, problems: &mut Problems) {
        let url = &self.url;
        problems.require(
            url.is_empty() || url.starts_with("http://") || url.starts_with("https://"),
            "opensearch.url: must start with http:// or https://",
        );
        problems.require(
            !url.contains('@'),
            "opensearch.url: must not name a user, which opensearch.username and opensearch.password do",
        );
        problems.require(
            self.username.is_empty() == self.password.expose_secret().is_empty(),
            "opensearch.username: needs opensearch.password, and the other way round",
        );
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.');
        problems.require(
            (1..=200).contains(&self.alias.len())
                && self.alias.starts_with(|c: char| c.is_ascii_lowercase())
                && self.alias.chars().all(legal),
            "opensearch.alias: must be up to 200 small letters, digits, dots, hyphens and underscores, a letter first",
        );
        super::require_adapters(problems, "opensearch.url", !url.is_empty());
    }
}

#[cfg(feature = "real")]
pub use connection::Server;

#[cfg(feature = "real")]
mod connection {
    use std::time::Duration;

    use bytes::Bytes;
    use data_encoding::BASE64;
    use http::{
        HeaderValue, Method, Request, StatusCode, Uri,
        header::{AUTHORIZATION, CONTENT_TYPE},
    };
    use http_body_util::{BodyExt as _, Full, Limited};
    use hyper_rustls::HttpsConnector;
    use hyper_util::{
        client::legacy::{Client, connect::HttpConnector},
        rt::TokioExecutor,
    };
    use secrecy::ExposeSecret as _;
    use serde::{Deserialize, de::DeserializeOwned};
    use smartcourse_platform::{Error, Result, config::Config, error::codes};

    use super::Settings;
    use crate::outgoing;

    /// How long one call may take.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// Bytes of an answer at most.
    const MAX_ANSWER: usize = 64 * 1024 * 1024;
    /// Characters of what a refusal says that are kept.
    const EXCERPT: usize = 300;

    /// A server, connected to when it is first asked.
    #[derive(Clone)]
    pub struct Server {
        client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
        url: String,
        alias: String,
        authorization: Option<HeaderValue>,
    }

    #[derive(Deserialize)]
    struct About {
        version: Version,
    }

    #[derive(Deserialize)]
    struct Version {
        number: String,
    }

    impl Server {
        /// The server the configuration names, if it names one. Fails when its URL cannot be used.
        pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
            let settings: Settings = config.section()?;
            (!settings.url.is_empty())
                .then(|| Self::open(&settings))
                .transpose()
        }

        /// Connects when it is first asked. Fails when the URL cannot be used, or this machine's certificates cannot be read.
        pub fn open(settings: &Settings) -> Result<Self> {
            let url = settings.url.trim_end_matches('/').to_owned();
            let wrong = "opensearch.url is no address of an OpenSearch server";
            url.parse::<Uri>()
                .map_err(|error| Error::internal(wrong).because(error))?;
            let authorization = (!settings.username.is_empty()).then(|| {
                let account = format!("{}:{}", settings.username, settings.password.expose_secret());
                let mut value =
                    HeaderValue::try_from(format!("Basic {}", BASE64.encode(account.as_bytes())))?;
                value.set_sensitive(true);
                Ok::<_, http::header::InvalidHeaderValue>(value)
            });
            Ok(Self {
                client: Client::builder(TokioExecutor::new()).build(outgoing::https()?),
                url,
                alias: settings.alias.clone(),
                authorization: authorization
                    .transpose()
                    .map_err(|error| Error::internal("opensearch.password cannot be used").because(error))?,
            })
        }

        /// The alias that is asked.
        pub(crate) fn alias(&self) -> &str {
            &self.alias
        }

        /// What a call answers, in time; `None` when what it is about is not there.
        pub(crate) async fn call<T: DeserializeOwned>(
            &self,
            method: Method,
            path: &str,
            body: impl Into<Bytes>,
        ) -> Result<Option<T>> {
            let mut request = Request::builder()
                .method(method)
                .uri(format!("{}/{path}", self.url))
                .header(CONTENT_TYPE, "application/json");
            if let Some(authorization) = &self.authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            let request = request
                .body(Full::new(body.into()))
                .map_err(|error| Error::internal("a request to the search server").because(error))?;
            let answer = async {
                let (head, body) = self.client.request(request).await.map_err(away)?.into_parts();
                let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(away)?;
                Ok::<_, Error>((head.status, body.to_bytes()))
            };
            let late = |late| unavailable("does not answer").because(late);
            let (status, body) = tokio::time::timeout(PATIENCE, answer).await.map_err(late)??;
            if status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            if !status.is_success() {
                return Err(refusal(status, &body));
            }
            let strange =
                |error| Error::internal("the search server answers what it should not").because(error);
            serde_json::from_slice(&body).map(Some).map_err(strange)
        }

        /// Where it is.
        pub(crate) fn address(&self) -> String {
            super::super::shown(&self.url)
        }

        /// What the server says it is.
        pub(crate) async fn version(&self) -> Result<String> {
            let about: Option<About> = self.call(Method::GET, "", Bytes::new()).await?;
            Ok(about.map_or_else(
                || "of an unknown version".to_owned(),
                |about| about.version.number,
            ))
        }
    }

    fn unavailable(what: &str) -> Error {
        Error::new(&codes::UNAVAILABLE, format!("the search server {what}"))
    }

    fn away(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        unavailable("is away").because(error)
    }

    /// What an answer that is none means.
    fn refusal(status: StatusCode, body: &[u8]) -> Error {
        let said = String::from_utf8_lossy(body);
        let said: String = said.chars().filter(|c| !c.is_control()).take(EXCERPT).collect();
        let code = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => &codes::STORAGE_REFUSED,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => &codes::UNAVAILABLE,
            status if status.is_client_error() => &codes::INTERNAL,
            _ => &codes::UNAVAILABLE,
        };
        Error::new(code, format!("the search server answers {status}: {said}"))
    }
}
