//! What is done in a bucket beyond what the store of the library does.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, StatusCode};
use object_store::{
    BackoffConfig, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder, AwsAuthorizer, AwsCredential},
    client::{HttpClient, HttpConnector as _, HttpRequest, HttpRequestBody},
    multipart::MultipartStore as _,
    path::Path as Key,
    signer::{SignedUrlOptions, Signer as _},
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use smartcourse_platform::{Error, Result, config::Config, error::codes, ports::files::Grant};
use url::Url;

use super::{Settings, http::Connector};

/// Characters of a refusal that are told.
const EXCERPT: usize = 200;
/// How long a request that fails is tried again: less than the store may be silent, so that whoever met silence waits for it once.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRIES: usize = 3;

/// A bucket.
#[derive(Clone)]
pub struct Bucket {
    pub(crate) store: AmazonS3,
    /// The same one, where browsers reach it.
    public: Option<AmazonS3>,
    client: HttpClient,
    credential: std::sync::Arc<AwsCredential>,
    region: String,
    /// Whether the server is Amazon's own.
    is_amazon: bool,
    url: Url,
}

/// A file that somebody began to write in parts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    upload_id: String,
    #[serde(with = "time::serde::rfc3339")]
    initiated: time::OffsetDateTime,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default)]
    upload: Vec<Upload>,
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_key_marker: String,
    #[serde(default)]
    next_upload_id_marker: String,
}

impl Bucket {
    /// The bucket the configuration names, if it names one. Fails when a setting cannot be used.
    pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
        let settings: Settings = config.section()?;
        (!settings.bucket.is_empty())
            .then(|| Self::open(&settings))
            .transpose()
    }

    /// Connects when it is first used. Fails when a setting cannot be used.
    pub fn open(settings: &Settings) -> Result<Self> {
        let wrong = |error| Error::internal("the settings of s3 cannot be used").because(error);
        let connector = Connector::new()?;
        let client = connector.connect(&ClientOptions::default()).map_err(wrong)?;
        let secret = settings.secret_access_key.expose_secret();
        let endpoint = match settings.endpoint.as_str() {
            "" => format!("https://s3.{}.amazonaws.com", settings.region),
            endpoint => endpoint.trim_end_matches('/').to_owned(),
        };
        let url = format!("{endpoint}/{}", settings.bucket);
        let url =
            Url::parse(&url).map_err(|error| Error::internal("s3.endpoint is no address").because(error))?;
        let store = |endpoint: &str| {
            AmazonS3Builder::new()
                .with_bucket_name(&settings.bucket)
                .with_endpoint(endpoint.trim_end_matches('/'))
                .with_region(&settings.region)
                .with_access_key_id(&settings.access_key_id)
                .with_secret_access_key(secret)
                .with_retry(RetryConfig {
                    backoff: BackoffConfig::default(),
                    max_retries: RETRIES,
                    retry_timeout: PATIENCE,
                })
                .with_http_connector(connector.clone())
                .build()
                .map_err(wrong)
        };
        let public = Some(settings.public_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty());
        Ok(Self {
            store: store(&endpoint)?,
            public: public.map(store).transpose()?,
            client,
            credential: std::sync::Arc::new(AwsCredential {
                key_id: settings.access_key_id.clone(),
                secret_key: secret.to_owned(),
                token: None,
            }),
            region: settings.region.clone(),
            is_amazon: settings.endpoint.is_empty(),
            url,
        })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> String {
        self.url.to_string()
    }

    /// Whether the bucket is there.
    pub(crate) async fn look(&self) -> Result<String> {
        Ok(match self.is_there().await? {
            true => "the bucket is there".to_owned(),
            false => "answers; the bucket is not there yet: run `smartcourse migrate`".to_owned(),
        })
    }

    /// The URL of a file where browsers reach the bucket, if they do.
    pub(crate) async fn sign(
        &self,
        key: &str,
        grant: Grant<'_>,
        lifetime: Duration,
    ) -> Result<Option<String>> {
        let Some(store) = &self.public else {
            return Ok(None);
        };
        let (method, options) = match grant {
            Grant::Write => (Method::PUT, SignedUrlOptions::default()),
            Grant::Read {
                content_type,
                disposition,
            } => {
                let answer = [
                    ("response-content-type", content_type),
                    ("response-content-disposition", disposition),
                    ("response-cache-control", "private"),
                ];
                (Method::GET, SignedUrlOptions::default().with_query(answer))
            }
        };
        let url = store
            .signed_url_opts(method, &Key::from(key), lifetime, &options)
            .await
            .map_err(|error| Error::internal("a URL cannot be signed").because(error))?;
        Ok(Some(url.into()))
    }

    /// Asks of the bucket what the store of the library does not do.
    async fn ask(&self, method: Method, query: &[(&str, &str)], body: String) -> Result<(StatusCode, Bytes)> {
        let mut url = self.url.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let failed = || Error::new(&codes::UNAVAILABLE, "the file store does not answer");
        let mut request: HttpRequest = http::Request::builder()
            .method(method)
            .uri(url.as_str())
            .body(HttpRequestBody::from(body))
            .map_err(|error| failed().because(error))?;
        AwsAuthorizer::new(&self.credential, "s3", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|error| Error::internal("a request cannot be signed").because(error))?;
        let answer = self.client.execute(request).await;
        let (head, body) = answer.map_err(|error| failed().because(error))?.into_parts();
        let body = body.bytes().await.map_err(|error| failed().because(error))?;
        match head.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(refused("the file store does not let us in"))
            }
            status if status.is_redirection() => {
                Err(refused("the bucket is in another region: correct s3.region"))
            }
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => Err(failed()),
            status => Ok((status, body)),
        }
    }

    /// Whether the bucket is there and ours to use.
    pub(crate) async fn is_there(&self) -> Result<bool> {
        let (status, _) = self.ask(Method::HEAD, &[], String::new()).await?;
        Ok(status.is_success())
    }

    /// Makes the bucket unless it is there.
    pub(crate) async fn make(&self) -> Result<()> {
        if self.is_there().await? {
            return Ok(());
        }
        let (status, told) = self.ask(Method::PUT, &[], self.place()).await?;
        // Somebody else may have been faster: one of ours, or a stranger.
        if status.is_success() || (status == StatusCode::CONFLICT && self.is_there().await?) {
            return Ok(());
        }
        let told = String::from_utf8_lossy(&told);
        let told: String = told.chars().take(EXCERPT).collect();
        Err(refused(format!("the bucket cannot be made: {status} {told}")))
    }

    /// Where the bucket is to be: Amazon wants to be told everywhere but in its first region.
    fn place(&self) -> String {
        match self.is_amazon && self.region != "us-east-1" {
            false => String::new(),
            true => format!(
                "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                 <LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
                self.region
            ),
        }
    }

    /// Gives up every file that somebody began to write in parts longer ago than this. One that cannot be given up keeps
    /// nobody from giving up the others.
    pub(crate) async fn give_up(&self, age: Duration) -> Result<()> {
        let before = SystemTime::now() - age;
        let (mut key, mut id) = (String::new(), String::new());
        loop {
            let mut query = vec![("uploads", "")];
            if !key.is_empty() {
                query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
            }
            let (status, body) = self.ask(Method::GET, &query, String::new()).await?;
            if status == StatusCode::NOT_IMPLEMENTED {
                tracing::warn!(
                    "the file store does not tell which files were not finished: it has to give them up itself"
                );
                return Ok(());
            }
            if !status.is_success() {
                let detail = format!("the file store does not list unfinished files: {status}");
                return Err(Error::new(&codes::UNAVAILABLE, detail));
            }
            let uploads: Uploads = quick_xml::de::from_reader(&*body).map_err(|error| {
                Error::internal("the file store's list of unfinished files cannot be read").because(error)
            })?;
            for upload in uploads.upload.iter().filter(|upload| upload.initiated < before) {
                let Ok(path) = Key::parse(&upload.key) else {
                    continue;
                };
                if let Err(error) = self.store.abort_multipart(&path, &upload.upload_id).await {
                    tracing::warn!(key = upload.key, %error, "an unfinished file stays");
                }
            }
            if !uploads.is_truncated || uploads.next_key_marker.is_empty() {
                return Ok(());
            }
            (key, id) = (uploads.next_key_marker, uploads.next_upload_id_marker);
        }
    }
}

fn refused(detail: impl Into<String>) -> Error {
    Error::new(&codes::STORAGE_REFUSED, detail)
}
