//! Redis, or a server that speaks its protocol: what processes share for a moment. Nothing in it is needed: whoever asks has a way
//! to go on without, so no question takes long.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use smartcourse_platform::config::{Declared, Problems, Reader, Section};

/// The setting that names the server.
pub(crate) const NAME: &str = "redis.url";

/// What is declared here.
pub(crate) const CONFIG: Declared = Declared {
    variables: &[("REDIS_URL", NAME)],
    ..Declared::of(
        r#"[redis]
# The server all gateways share their rate limits by, redis://host:6379 or rediss://user:password@host:6380 (TLS); REDIS_URL
# wins. "": each gateway has its own.
url = ""
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
            Arc,
            atomic::{AtomicU64, Ordering},
        },
        time::{Duration, Instant},
    };

    use redis::{
        Client, FromRedisValue, RedisError,
        aio::{ConnectionManager, ConnectionManagerConfig},
    };
    use secrecy::ExposeSecret as _;
    use smartcourse_platform::{Error, Result, config::Config, error::codes};

    use super::Settings;

    /// How long nobody asks after a question that was not answered, so that requests do not each wait in vain.
    const REST: Duration = Duration::from_millis(500);

    /// A connection that comes back by itself, shared by all who have a clone.
    #[derive(Clone)]
    pub struct Redis {
        manager: ConnectionManager,
        patience: Duration,
        silent: Arc<Silence>,
    }

    /// Until when nobody asks.
    struct Silence {
        began: Instant,
        /// Milliseconds since it began.
        until: AtomicU64,
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
            let patience = Duration::from_millis(settings.patience_ms);
            let client = Client::open(settings.url.expose_secret()).map_err(wrong)?;
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(Duration::from_secs(2)))
                .set_response_timeout(Some(patience))
                .set_max_delay(Duration::from_secs(1));
            Ok(Self {
                manager: ConnectionManager::new_lazy_with_config(client, config).map_err(wrong)?,
                patience,
                silent: Arc::new(Silence {
                    began: Instant::now(),
                    until: AtomicU64::new(0),
                }),
            })
        }

        /// Asks; `unavailable` when there is no answer in time, or was none a moment ago.
        pub(crate) async fn ask<T, F>(&self, question: impl FnOnce(ConnectionManager) -> F) -> Result<T>
        where
            T: FromRedisValue,
            F: Future<Output = Result<T, RedisError>>,
        {
            let now = || u64::try_from(self.silent.began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let unavailable = |detail| Error::new(&codes::UNAVAILABLE, detail);
            if now() < self.silent.until.load(Ordering::Relaxed) {
                return Err(unavailable("Redis did not answer a moment ago"));
            }
            let answer = tokio::time::timeout(self.patience, question(self.manager.clone())).await;
            let error = match answer {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => unavailable("Redis refused").because(error),
                Err(late) => unavailable("Redis does not answer").because(late),
            };
            let until = now().saturating_add(REST.as_millis() as u64);
            self.silent.until.store(until, Ordering::Relaxed);
            Err(error)
        }

        /// What the server says it is.
        pub(crate) async fn version(&self) -> Result<String> {
            let info: String = self
                .ask(async |mut connection| {
                    redis::cmd("INFO")
                        .arg("server")
                        .query_async(&mut connection)
                        .await
                })
                .await?;
            let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"));
            Ok(version.unwrap_or("of an unknown version").to_owned())
        }
    }
}
