//! Qdrant, by its gRPC protocol.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[("QDRANT_URL", "qdrant.url"), ("QDRANT_API_KEY", "qdrant.api_key")],
    ..Declared::of(
        r#"[qdrant]
# The server of vectors, http://host:6334 or https://… (its gRPC port); QDRANT_URL wins. "": PostgreSQL has them.
url = ""
# What it knows us by; "" when it asks for nothing. QDRANT_API_KEY wins.
api_key = ""
# The next two are those of a collection when it is made; one that is there stays as it is.
# Keeps vectors, their fields and indexes on disk, and in memory what was asked for lately.
on_disk = false
# Compares vectors of a quarter of the size first, and the best of them exactly: less memory, and now and then a near one is missed.
scalar_quantization = false
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[qdrant]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The server, or empty.
    pub url: String,
    /// What it knows us by, or empty.
    pub api_key: SecretString,
    /// Whether new collections are kept on disk.
    pub on_disk: bool,
    /// Whether new collections have quantized vectors, and searches begin with those.
    pub scalar_quantization: bool,
}

impl Section for Settings {
    const NAME: &'static str = "qdrant";

    fn check(&self, problems: &mut Problems) {
        problems.require(
            self.url.is_empty() || self.url.starts_with("http://") || self.url.starts_with("https://"),
            "qdrant.url: must start with http:// or https://",
        );
        let key = self.api_key.expose_secret();
        problems.require(
            key.chars().all(|c| c.is_ascii_graphic()),
            "qdrant.api_key: must be printable ASCII without spaces",
        );
        super::require_adapters(problems, "qdrant.url", !self.url.is_empty());
    }
}

#[cfg(feature = "real")]
pub use connection::Server;

#[cfg(feature = "real")]
mod connection {
    use std::time::Duration;

    use qdrant_client::qdrant::{
        HealthCheckRequest, collections_client::CollectionsClient, points_client::PointsClient,
        qdrant_client::QdrantClient,
    };
    use secrecy::ExposeSecret as _;
    use smartcourse_platform::{Error, Result, config::Config, error::codes};
    use tonic::{
        Code, Request, Response, Status,
        metadata::{Ascii, MetadataValue},
        service::{Interceptor, interceptor::InterceptedService},
        transport::{Channel, ClientTlsConfig, Endpoint},
    };

    use super::Settings;

    /// How long one call may take.
    const PATIENCE: Duration = Duration::from_secs(10);
    /// How long a connection may take to be made.
    const CONNECTING: Duration = Duration::from_secs(3);
    /// How long a server may be silent before it is asked whether it lives, and then to say so.
    const SILENCE: Duration = Duration::from_secs(5);
    /// Bytes of an answer at most.
    const MAX_ANSWER: usize = 64 * 1024 * 1024;

    /// A connection on which every call carries the key.
    type Keyed = InterceptedService<Channel, Key>;

    /// A server, connected to when it is first asked, and again when it is back. The library's own client would try some calls twice,
    /// and tells a server that is away from one that failed by nothing but a text.
    #[derive(Clone)]
    pub struct Server {
        connection: Keyed,
        settings: Settings,
    }

    /// Adds to a call what the server knows us by.
    #[derive(Clone)]
    pub(crate) struct Key(Option<MetadataValue<Ascii>>);

    impl Interceptor for Key {
        fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
            if let Some(key) = &self.0 {
                request.metadata_mut().insert("api-key", key.clone());
            }
            Ok(request)
        }
    }

    impl Server {
        /// The server the configuration names, if it names one. Fails when its URL or key cannot be used.
        pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
            let settings: Settings = config.section()?;
            (!settings.url.is_empty())
                .then(|| Self::open(settings))
                .transpose()
        }

        /// Connects when it is first asked. Fails when the URL or the key cannot be used, or this machine's certificates cannot be
        /// read.
        pub fn open(settings: Settings) -> Result<Self> {
            let wrong = |error| Error::internal("qdrant.url is no address of a Qdrant server").because(error);
            let mut endpoint = Endpoint::from_shared(settings.url.clone())
                .map_err(wrong)?
                .connect_timeout(CONNECTING)
                .http2_keep_alive_interval(SILENCE)
                .keep_alive_timeout(SILENCE)
                .keep_alive_while_idle(true)
                .tcp_nodelay(true);
            if settings.url.starts_with("https://") {
                endpoint = endpoint
                    .tls_config(ClientTlsConfig::new().with_native_roots())
                    .map_err(wrong)?;
            }
            let key = settings.api_key.expose_secret();
            let key = (!key.is_empty())
                .then(|| MetadataValue::try_from(key))
                .transpose();
            let mut key =
                key.map_err(|_| Error::internal("qdrant.api_key cannot be the value of a header"))?;
            if let Some(key) = &mut key {
                key.set_sensitive(true);
            }
            Ok(Self {
                connection: InterceptedService::new(endpoint.connect_lazy(), Key(key)),
                settings,
            })
        }

        /// How collections are made and asked.
        pub(crate) fn settings(&self) -> &Settings {
            &self.settings
        }

        /// Calls about collections.
        pub(crate) fn collections(&self) -> CollectionsClient<Keyed> {
            CollectionsClient::new(self.connection.clone()).max_decoding_message_size(MAX_ANSWER)
        }

        /// Calls about points.
        pub(crate) fn points(&self) -> PointsClient<Keyed> {
            PointsClient::new(self.connection.clone()).max_decoding_message_size(MAX_ANSWER)
        }

        /// Where it is.
        pub(crate) fn address(&self) -> String {
            super::super::shown(&self.settings.url)
        }

        /// What the server says it is.
        pub(crate) async fn version(&self) -> Result<String> {
            let mut server = QdrantClient::new(self.connection.clone());
            let reply = answer(server.health_check(HealthCheckRequest {})).await?;
            let unknown = || "of an unknown version".to_owned();
            Ok(reply.map_or_else(unknown, |reply| reply.version))
        }
    }

    /// What a call answers, in time; `None` when what it is about is not there.
    pub(crate) async fn answer<T>(
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<Option<T>> {
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(response)) => Ok(Some(response.into_inner())),
            Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
            Ok(Err(status)) => Err(failure(status)),
            Err(late) => {
                Err(Error::new(&codes::UNAVAILABLE, "the vector store does not answer").because(late))
            }
        }
    }

    /// What a failure of the server means.
    fn failure(status: Status) -> Error {
        let (code, detail) = match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => {
                (&codes::STORAGE_REFUSED, "the vector store does not let us in")
            }
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange | Code::Unimplemented => {
                (&codes::INTERNAL, "the vector store cannot do this")
            }
            _ => (&codes::UNAVAILABLE, "the vector store could not do this"),
        };
        Error::new(code, detail).because(status)
    }
}

#[cfg(feature = "real")]
pub(crate) use connection::answer;
