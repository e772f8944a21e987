//! Redis, or a server that speaks its protocol: what processes share for a moment. Nothing in it is needed: whoever asks has a way
//! to go on without, so no question takes long.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[("REDIS_URL", "redis.url")],
    ..Declared::of(
        r#"[redis]
# The server all gateways share their rate limits by and hear of ended sessions, and all processes share what they read,
# redis://host:6379 or rediss://user:password@host:6380 (TLS); REDIS_URL wins. "": each gateway has its own limits, and asks
# once a second; the catalogue is read from the database.
url = ""
# What the names of keys and channels begin with.
prefix = "smartcourse"
# Milliseconds after which whoever asks goes on without an answer.
patience_ms = 50
"#,
        &[Reader::of::<Settings>()],
    )
};

/// `[redis]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// The server, or empty; it may hold a password.
    pub url: SecretString,
    /// What the names of keys and channels begin with.
    pub prefix: String,
    /// Milliseconds a question may take.
    pub patience_ms: u64,
}

impl Section for Settings {
    const NAME: &'static str = "redis";

    fn check(&self, problems: &mut Problems) {
        let url = self.url.expose_secret();
        problems.require(
            url.is_empty() || url.starts_with("redis://") || url.starts_with("rediss://"),
            "redis.url: must start with redis:// or rediss://",
        );
        super::require_adapters(problems, "redis.url", !url.is_empty());
        problems.require(
            (1..=100).contains(&self.prefix.len()),
            "redis.prefix: must be 1 to 100 bytes",
        );
        problems.require(
            (1..=10_000).contains(&self.patience_ms),
            "redis.patience_ms: must be 1 to 10000",
        );
    }
}

#[cfg(feature = "real")]
pub use connection::Redis;

#[cfg(feature = "real")]
mod connection {
    use std::{
        sync::{
            Arc, PoisonError, RwLock,
            atomic::{AtomicU64, Ordering},
        },
        time::{Duration, Instant},
    };

    use redis::{
        Client, FromRedisValue, RedisError, RedisResult,
        aio::{ConnectionManager, ConnectionManagerConfig, PubSub},
    };
    use secrecy::ExposeSecret as _;
    use smartcourse_platform::{Error, Result, config::Config, error::codes};

    use super::Settings;

    /// How long nobody asks after a question that was not answered, so that requests do not each wait in vain.
    const REST: Duration = Duration::from_millis(500);
    /// How long a connection may take to be made.
    const CONNECTING: Duration = Duration::from_secs(2);

    /// A connection, shared by all who have a clone. One that did not answer is given up for a new one: the library renews only
    /// those it sees fail, and takes a server that vanished without a word for a slow one.
    #[derive(Clone)]
    pub struct Redis(Arc<Inner>);

    struct Inner {
        client: Client,
        manager: RwLock<ConnectionManager>,
        address: String,
        prefix: String,
        patience: Duration,
        began: Instant,
        /// Until when nobody asks, in milliseconds since it began.
        silent_until: AtomicU64,
    }

    /// A connection that is made when it is first asked.
    fn manager(client: &Client) -> RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(CONNECTING))
            .set_number_of_retries(0);
        ConnectionManager::new_lazy_with_config(client.clone(), config)
    }

    impl Redis {
        /// The server the configuration names, if it names one. Fails when its URL cannot be used.
        pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
            let settings: Settings = config.section()?;
            let named = !settings.url.expose_secret().is_empty();
            named.then(|| Self::open(&settings)).transpose()
        }

        /// Connects when it is first asked. Fails when the URL cannot be used.
        pub fn open(settings: &Settings) -> Result<Self> {
            let wrong = |error| Error::internal("redis.url cannot be used").because(error);
            let client = Client::open(settings.url.expose_secret()).map_err(wrong)?;
            Ok(Self(Arc::new(Inner {
                manager: RwLock::new(manager(&client).map_err(wrong)?),
                client,
                address: super::super::shown(settings.url.expose_secret()),
                prefix: settings.prefix.clone(),
                patience: Duration::from_millis(settings.patience_ms),
                began: Instant::now(),
                silent_until: AtomicU64::new(0),
            })))
        }

        /// A name as the server knows it.
        pub(crate) fn called(&self, name: &str) -> String {
            format!("{}:{name}", self.0.prefix)
        }

        /// Asks; `unavailable` when there is no answer in time, or was none a moment ago.
        pub(crate) async fn ask<T, F>(&self, question: impl FnOnce(ConnectionManager) -> F) -> Result<T>
        where
            T: FromRedisValue + Send + 'static,
            F: Future<Output = Result<T, RedisError>> + Send + 'static,
        {
            if self.0.now() < self.0.silent_until.load(Ordering::Relaxed) {
                let detail = "Redis did not answer a moment ago";
                return Err(Error::new(&codes::UNAVAILABLE, detail));
            }
            self.ask_for(self.0.patience, question).await
        }

        async fn ask_for<T, F>(
            &self,
            patience: Duration,
            question: impl FnOnce(ConnectionManager) -> F,
        ) -> Result<T>
        where
            T: FromRedisValue + Send + 'static,
            F: Future<Output = Result<T, RedisError>> + Send + 'static,
        {
            let manager = self
                .0
                .manager
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            // On its own, so that a connection is made to its end though nobody waits for it.
            let answer = tokio::time::timeout(patience, tokio::spawn(question(manager))).await;
            let unavailable = |detail| Error::new(&codes::UNAVAILABLE, detail);
            let error = match answer {
                Ok(Ok(Ok(answer))) => return Ok(answer),
                Ok(Ok(Err(error))) => unavailable("Redis refused").because(error),
                Ok(Err(broken)) => unavailable("a question to Redis broke off").because(broken),
                Err(late) => unavailable("Redis does not answer").because(late),
            };
            self.0.rest(&error);
            Err(error)
        }

        /// A connection of its own that hears what is announced on a channel; `unavailable` when there is none in time.
        pub(crate) async fn subscription(&self, channel: &str) -> Result<PubSub> {
            let subscribe = async {
                let mut subscription = self.0.client.get_async_pubsub().await?;
                subscription.subscribe(channel).await?;
                Ok(subscription)
            };
            let unavailable = |detail| Error::new(&codes::UNAVAILABLE, detail);
            match tokio::time::timeout(2 * CONNECTING, subscribe).await {
                Ok(subscribed) => {
                    subscribed.map_err(|error: RedisError| unavailable("Redis refused").because(error))
                }
                Err(late) => Err(unavailable("Redis does not answer").because(late)),
            }
        }

        /// Where it is.
        pub(crate) fn address(&self) -> String {
            self.0.address.clone()
        }

        /// What the server says it is.
        pub(crate) async fn version(&self) -> Result<String> {
            let info = async |mut connection| {
                let mut info = redis::cmd("INFO");
                info.arg("server").query_async::<String>(&mut connection).await
            };
            let info = self.ask_for(2 * CONNECTING, info).await?;
            let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
            Ok(version.unwrap_or("of an unknown version").to_owned())
        }
    }

    impl Inner {
        fn now(&self) -> u64 {
            u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
        }

        /// Lets nobody ask for a while; the first to do so makes a new connection.
        fn rest(&self, error: &Error) {
            let (now, rest) = (self.now(), REST.as_millis() as u64);
            let was = self
                .silent_until
                .fetch_max(now.saturating_add(rest), Ordering::Relaxed);
            if now < was {
                return;
            }
            if now > was.saturating_add(2 * rest) {
                tracing::warn!(error = %error.chain(), "going on without Redis: each process for itself");
            }
            if let Ok(fresh) = manager(&self.client) {
                let mut connection = fresh.clone();
                *self.manager.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                tokio::spawn(async move {
                    // Whether it can be made shows when somebody asks.
                    drop(redis::cmd("PING").query_async::<String>(&mut connection).await);
                });
            }
        }
    }
}
