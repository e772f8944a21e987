//! RabbitMQ, which carries the ids of background tasks.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[("AMQP_URL", "rabbitmq.url")],
    ..Declared::of(
        r#"[rabbitmq]
# The server that carries background tasks to the processes that run them, amqp://user:password@host:5672/%2f or amqps://… (TLS);
# AMQP_URL wins. "": these ask PostgreSQL.
url = ""
# The exchange they are published to; the queues of the kinds are called like it.
exchange = "smartcourse.tasks"
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[rabbitmq]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The server, or empty; it may hold a password.
    pub url: SecretString,
    /// The exchange ids are published to.
    pub exchange: String,
}

impl Section for Settings {
    const NAME: &'static str = "rabbitmq";

    fn check(&self, problems: &mut Problems) {
        let url = self.url.expose_secret();
        problems.require(
            url.is_empty() || url.starts_with("amqp://") || url.starts_with("amqps://"),
            "rabbitmq.url: must start with amqp:// or amqps://",
        );
        problems.require(
            (1..=100).contains(&self.exchange.len()),
            "rabbitmq.exchange: must be 1 to 100 bytes",
        );
        super::require_adapters(problems, "rabbitmq.url", !url.is_empty());
    }
}

#[cfg(feature = "real")]
pub use connection::RabbitMq;
#[cfg(feature = "real")]
pub(crate) use connection::ask;

#[cfg(feature = "real")]
mod connection {
    use std::{sync::Arc, time::Duration};

    use lapin::{
        Channel, Connection, ConnectionProperties, ErrorKind,
        protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError},
        uri::{AMQPScheme, AMQPUri},
    };
    use secrecy::ExposeSecret as _;
    use smartcourse_platform::{Error, Result, config::Config, error::codes};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::OnceCell,
    };

    use super::Settings;

    /// How long an operation may take.
    const PATIENCE: Duration = Duration::from_secs(5);
    /// Seconds between signs of life; a server that gives none for two of them is gone, and so is its connection.
    const HEARTBEAT: u16 = 5;

    /// A server; each who asks for a connection has one of its own.
    #[derive(Clone)]
    pub struct RabbitMq {
        uri: Arc<AMQPUri>,
        exchange: Arc<str>,
        /// What it is greeted with, asked once: who hangs up after a greeting stands in the server's log.
        version: Arc<OnceCell<String>>,
    }

    impl RabbitMq {
        /// The server the configuration names, if it names one. Fails when its URL cannot be used.
        pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
            let settings: Settings = config.section()?;
            let named = !settings.url.expose_secret().is_empty();
            named.then(|| Self::open(&settings)).transpose()
        }

        /// Connects when it is first used. Fails when the URL cannot be used.
        pub fn open(settings: &Settings) -> Result<Self> {
            // The reason may hold a part of the password.
            let mut uri: AMQPUri = settings
                .url
                .expose_secret()
                .parse()
                .map_err(|_| Error::internal("rabbitmq.url is no address of a RabbitMQ server"))?;
            uri.query.heartbeat.get_or_insert(HEARTBEAT);
            Ok(Self {
                uri: Arc::new(uri),
                exchange: settings.exchange.as_str().into(),
                version: Arc::default(),
            })
        }

        /// The exchange ids are published to.
        pub(crate) fn exchange(&self) -> &str {
            &self.exchange
        }

        /// A new connection, and a channel on it. The server shows what it is for.
        pub(crate) async fn connect(&self, purpose: &str) -> Result<(Connection, Channel)> {
            let uri = AMQPUri::clone(&self.uri);
            let properties =
                ConnectionProperties::default().with_connection_name(format!("smartcourse {purpose}").into());
            let connect = async {
                let connection = Connection::connect_uri(uri, properties).await?;
                let channel = connection.create_channel().await?;
                Ok((connection, channel))
            };
            ask(connect).await
        }

        /// Where it is.
        pub(crate) fn address(&self) -> String {
            let AMQPUri {
                scheme,
                authority,
                vhost,
                ..
            } = &*self.uri;
            format!("{scheme}://{}:{}/{vhost}", authority.host, authority.port)
        }

        /// What the server says it is. Without TLS it says so in its greeting.
        pub(crate) async fn version(&self) -> Result<String> {
            let (connection, _channel) = self.connect("doctor").await?;
            ask(connection.close(200, "".into())).await?;
            let version = self.version.get_or_try_init(|| self.greeting()).await?;
            Ok(version.clone())
        }

        async fn greeting(&self) -> Result<String> {
            let uri = &self.uri;
            if uri.scheme == AMQPScheme::AMQPS {
                return Ok("answers".to_owned());
            }
            let greeting = async {
                let address = (uri.authority.host.as_str(), uri.authority.port);
                let mut stream = TcpStream::connect(address).await?;
                stream.write_all(b"AMQP\0\0\x09\x01").await?;
                let mut greeting = vec![0; 4096];
                let length = stream.read(&mut greeting).await?;
                greeting.truncate(length);
                Ok::<_, std::io::Error>(greeting)
            };
            let greeting = ask(async { greeting.await.map_err(lapin::Error::from) }).await?;
            Ok(version_in(&greeting).unwrap_or_else(|| "of an unknown version".to_owned()))
        }
    }

    /// The version in a table of properties: the key, `S`, a length of four bytes, the text.
    fn version_in(greeting: &[u8]) -> Option<String> {
        const KEY: &[u8] = b"\x07versionS";
        let at = greeting.windows(KEY.len()).position(|window| window == KEY)?;
        let (length, text) = greeting[at + KEY.len()..].split_first_chunk()?;
        let text = text.get(..usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// Waits for an operation, in time.
    pub(crate) async fn ask<T>(operation: impl Future<Output = lapin::Result<T>>) -> Result<T> {
        match tokio::time::timeout(PATIENCE, operation).await {
            Ok(done) => done.map_err(failure),
            Err(late) => Err(Error::new(&codes::UNAVAILABLE, "RabbitMQ does not answer").because(late)),
        }
    }

    /// What a failure means.
    fn failure(error: lapin::Error) -> Error {
        let protocol = match error.kind() {
            ErrorKind::ProtocolError(error) => Some(error.kind()),
            _ => None,
        };
        let (code, detail) = match protocol {
            Some(
                AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)
                | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED),
            ) => (&codes::INTERNAL, "RabbitMQ does not let us in"),
            Some(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) => (
                &codes::INTERNAL,
                "RabbitMQ has a queue that is not as it should be",
            ),
            _ => (&codes::UNAVAILABLE, "RabbitMQ could not do this"),
        };
        Error::new(code, detail).because(error)
    }

    #[cfg(test)]
    mod tests {
        use super::version_in;

        #[test]
        fn a_version_is_read_from_a_greeting() {
            let greeting =
                b"\x01\0\0\0\0\x07productS\0\0\0\x08RabbitMQ\x07versionS\0\0\0\x063.10.8\x08platform";
            assert_eq!(version_in(greeting).as_deref(), Some("3.10.8"));
            assert_eq!(version_in(&greeting[..40]), None);
        }
    }
}
