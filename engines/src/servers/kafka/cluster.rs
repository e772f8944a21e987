//! The brokers of the settings: clients of theirs, and the topics that are made.

use std::{
    collections::HashSet,
    sync::{Arc, OnceLock},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    config::FromClientConfigAndContext,
    consumer::{ConsumerContext, StreamConsumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};
use secrecy::ExposeSecret as _;
use smartcourse_platform::{Error, Result, config::Config, error::codes};
use smartcourse_proto::key::Key;

use super::{
    COMMANDS, Settings,
    context::{Consumer, Context, Producer},
};

/// How long a question to the brokers may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a message at most: far more than an event has.
const MAX_MESSAGE: &str = "16777216";
/// The kind of keys that name none of ours.
const OTHER: &str = "other";

/// How the brokers are reached, and what things are called there.
#[derive(Clone)]
pub struct Kafka(Arc<Inner>);

struct Inner {
    settings: Settings,
    /// For questions, which come every few seconds.
    admin: OnceLock<Admin>,
}

impl Settings {
    /// How connections are encrypted, and who we are.
    fn protect(&self, config: &mut ClientConfig) {
        if !self.tls {
            return;
        }
        // With this in place of a file the library looks where systems have whom they trust.
        config
            .set("security.protocol", "ssl")
            .set("ssl.ca.location", "probe");
        for (key, file) in [
            ("ssl.ca.location", &self.tls_authority),
            ("ssl.certificate.location", &self.tls_certificate),
            ("ssl.key.location", &self.tls_key),
        ] {
            if !file.as_os_str().is_empty() {
                config.set(key, file.display().to_string());
            }
        }
        if !self.username.is_empty() {
            config
                .set("security.protocol", "sasl_ssl")
                .set("sasl.mechanism", &self.sasl_mechanism)
                .set("sasl.username", &self.username)
                .set("sasl.password", self.password.expose_secret());
        }
    }
}

type Admin = Arc<AdminClient<Context>>;

impl Kafka {
    /// The brokers the configuration names, if it names some.
    pub(crate) fn named(config: &Config) -> Result<Option<Self>> {
        let settings: Settings = config.section()?;
        Ok((!settings.brokers.is_empty()).then(|| Self::new(settings)))
    }

    /// Connects when something is first asked.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Inner {
            settings,
            admin: OnceLock::new(),
        }))
    }

    fn client<C: ClientContext, T: FromClientConfigAndContext<C>>(
        &self,
        more: &[(&str, &str)],
        context: C,
    ) -> Result<T> {
        let mut config = ClientConfig::new();
        for (key, value) in [
            ("bootstrap.servers", self.0.settings.brokers.as_str()),
            ("client.id", "smartcourse"),
            ("socket.keepalive.enable", "true"),
            ("socket.timeout.ms", "10000"),
            ("reconnect.backoff.max.ms", "1000"),
        ]
        .iter()
        .chain(more)
        {
            config.set(*key, *value);
        }
        self.0.settings.protect(&mut config);
        config
            .create_with_context(context)
            .map_err(|error| Error::internal("the settings of kafka cannot be used").because(error))
    }

    fn admin(&self) -> Result<Admin> {
        if let Some(admin) = self.0.admin.get() {
            return Ok(Arc::clone(admin));
        }
        let made = Arc::new(self.client(&[], Context)?);
        Ok(Arc::clone(self.0.admin.get_or_init(|| made)))
    }

    /// A producer that gives a message up after this time.
    pub(crate) fn producer(&self, patience: Duration) -> Result<Producer> {
        self.sends(&[("message.timeout.ms", &patience.as_millis().to_string())])
    }

    /// A producer that never gives a message up, doubles nothing and keeps the order of each partition in which the brokers
    /// have something of it. It is of no use any more once they refuse something.
    pub(crate) fn ordered_producer(&self) -> Result<Producer> {
        self.sends(&[
            ("enable.idempotence", "true"),
            // What is refused for good must not be overtaken either.
            ("enable.gapless.guarantee", "true"),
            // The library takes 0 for never.
            ("message.timeout.ms", "0"),
        ])
    }

    fn sends(&self, more: &[(&str, &str)]) -> Result<Producer> {
        let settings = [
            // A topic that is made by being asked for has a retention of its own.
            ("allow.auto.create.topics", "false"),
            ("acks", "all"),
            ("message.max.bytes", MAX_MESSAGE),
            ("compression.type", "lz4"),
            ("linger.ms", "1"),
        ];
        self.client(&[&settings, more].concat(), Context)
    }

    /// A member of a group, which begins with the first message and says itself how far it is.
    pub(crate) fn member<C: ConsumerContext + 'static>(
        &self,
        group: &str,
        context: C,
    ) -> Result<StreamConsumer<C>> {
        let group = self.called(group);
        let settings = [
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            // As short as brokers allow: after a death its partitions wait for so long.
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "2000"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("queued.max.messages.kbytes", "4096"),
        ];
        self.client(&settings, context)
    }

    /// A reader of partitions it is told. The library wants it to have a group; nothing is committed under it.
    pub(crate) fn reader(&self) -> Result<Consumer> {
        let group = self.called("reader");
        let settings = [
            ("group.id", group.as_str()),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("queued.max.messages.kbytes", "1024"),
        ];
        self.client(&settings, Context)
    }

    /// A name as the brokers know it.
    fn called(&self, name: &str) -> String {
        format!("{}.{name}", self.0.settings.prefix)
    }

    /// The topics of events: one for each kind of aggregate, so that the events of a key are in one partition.
    pub(crate) fn topics(&self) -> Vec<String> {
        let kinds = Key::ALL.map(Key::kind).into_iter().chain([OTHER]);
        kinds.map(|kind| self.called(kind)).collect()
    }

    /// The topic of a key's events.
    pub(crate) fn topic(&self, key: &str) -> String {
        let kind = key.split_once('-').map(|(kind, _)| kind);
        let known = Key::ALL
            .map(Key::kind)
            .into_iter()
            .find(|known| Some(*known) == kind);
        self.called(known.unwrap_or(OTHER))
    }

    /// Whether what was sent stays for ever.
    pub(crate) fn keeps_all(&self) -> bool {
        self.0.settings.retention_ms == -1
    }

    /// The topic others ask for something by.
    pub(crate) fn commands(&self) -> String {
        self.called("commands")
    }

    /// The topic of what a group could not take.
    pub(crate) fn dead_letters(&self, group: &str) -> String {
        self.called(&format!("dead.{group}"))
    }

    /// Makes the topics of events and of commands; those that are there stay as they are.
    pub(crate) async fn prepare(&self) -> Result<()> {
        let commands = [self.commands(), self.dead_letters(COMMANDS)];
        let topics = self
            .topics()
            .into_iter()
            .map(|topic| (topic, self.0.settings.partitions));
        self.make(topics.chain(commands.map(|topic| (topic, 1)))).await
    }

    /// Makes the topic of what a group cannot take, unless it is there.
    pub(crate) async fn prepare_group(&self, group: &str) -> Result<()> {
        self.make([(self.dead_letters(group), 1)]).await
    }

    async fn make(&self, topics: impl IntoIterator<Item = (String, i32)>) -> Result<()> {
        let topics: Vec<_> = topics.into_iter().collect();
        let retention = self.0.settings.retention_ms.to_string();
        let new = topics.iter().map(|(name, partitions)| {
            NewTopic::new(
                name,
                *partitions,
                TopicReplication::Fixed(self.0.settings.replication),
            )
            .set("retention.ms", &retention)
            .set("max.message.bytes", MAX_MESSAGE)
        });
        let options = AdminOptions::new()
            .request_timeout(Some(PATIENCE))
            .operation_timeout(Some(PATIENCE));
        let admin = self.admin()?;
        let made = admin.create_topics(&new.collect::<Vec<_>>(), &options).await;
        for made in made.map_err(unavailable)? {
            match made {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, code)) => {
                    let detail = format!("Kafka did not make the topic {topic}");
                    return Err(Error::new(&codes::UNAVAILABLE, detail).because(code));
                }
            }
        }
        Ok(())
    }

    /// Where they are.
    pub(crate) fn address(&self) -> String {
        self.0.settings.brokers.clone()
    }

    /// How many brokers there are, and which topics are missing.
    pub(crate) async fn look(&self) -> Result<String> {
        let admin = self.admin()?;
        let found = ask(move || admin.inner().fetch_metadata(None, PATIENCE)).await?;
        let there: HashSet<&str> = found.topics().iter().map(|topic| topic.name()).collect();
        let mut missing = self.topics();
        missing.push(self.commands());
        missing.retain(|topic| !there.contains(topic.as_str()));
        let brokers = match found.brokers().len() {
            1 => "1 broker".to_owned(),
            many => format!("{many} brokers"),
        };
        Ok(if missing.is_empty() {
            format!("{brokers}; the topics are there")
        } else {
            let missing = missing.join(", ");
            format!("{brokers}; not there yet: {missing}: run `smartcourse migrate`")
        })
    }
}

/// Asks the brokers on another thread: the client waits for them.
pub(crate) async fn ask<T: Send + 'static>(
    question: impl FnOnce() -> KafkaResult<T> + Send + 'static,
) -> Result<T> {
    let asked = tokio::task::spawn_blocking(question).await;
    asked
        .map_err(|error| Error::internal("the question to Kafka broke off").because(error))?
        .map_err(unavailable)
}

/// Lets a client go on another thread: it waits for the brokers.
pub(crate) fn let_go<T: Send + 'static>(client: T) {
    tokio::task::spawn_blocking(move || drop(client));
}

/// What asking the brokers in vain means.
pub(crate) fn unavailable(error: KafkaError) -> Error {
    Error::new(&codes::UNAVAILABLE, "Kafka does not answer as it should").because(error)
}
