//! The adapters of the ports of [`smartcourse_platform::ports`]: one folder per port, one file per adapter. The only room
//! that names the client crate of an engine or provider.
//!
//! | port | adapters |
//! |---|---|
//! | documents | [`documents::postgres`]: JSONB rows; `documents::mongodb` when `mongodb.url` names a server |
//! | files | [`files::directory`]; `files::s3` when `s3.bucket` names a bucket |
//! | vectors | [`vectors::postgres`]: exact cosine over rows, kept in memory under a stamp that every write changes; `vectors::qdrant` when `qdrant.url` names a server |
//! | search | [`search::postgres`]: full text in the language of each version, and trigrams; questions by BM25 in memory; `search::opensearch` when `opensearch.url` names a server |
//! | embeddings | [`embeddings::embedded`]: MiniLM in process, E5 for other languages than English; hashed n-grams without the weights |
//! | answers | [`answers::extractive`]: the best pieces, quoted; [`answers::generated`] when a model is named: [`answers::generated::openai`] for whatever speaks that protocol, [`answers::generated::anthropic`] |
//! | transcription | [`transcription::openai`], when `transcription.url` names a server: whatever speaks that protocol |
//! | mail | [`mail::folder`]: `.eml` files; [`mail::smtp`] when `mail.smtp_url` names a server |
//! | text messages | [`sms::twilio`], when configured |
//! | push messages | [`push::web_push`], when configured |
//! | event log | [`event_log::postgres`]: the outbox table itself, read per consumer group; `event_log::kafka` when `kafka.brokers` names brokers |
//! | event history | [`event_log::history`]: the table, and the months that went to the files; `event_log::kafka` |
//! | announcements | [`announcements::in_process`]; `announcements::redis` when `redis.url` names a server |
//! | rate limits | [`rate_limits::in_process`]; `rate_limits::redis` when `redis.url` names a server |
//! | shared reads | [`shared_reads::in_process`]: what never changes; `shared_reads::redis` when `redis.url` names a server |
//! | task dispatch | [`task_dispatch::postgres`]: the rows are asked which are due; `task_dispatch::rabbitmq` when `rabbitmq.url` names a server |
//! | workflows | [`workflows::temporal`]: any Temporal server or namespace of Temporal Cloud, by the variables `TEMPORAL_…`; payloads are encrypted when `temporal.codec_key` is set |
//!
//! A new adapter is a file with its [settings](CONFIG), its lines here and a test that runs the contract suite of its port.

/// Adapters of the announcement port.
pub mod announcements {
    pub mod in_process;
    #[cfg(feature = "real")]
    pub mod redis;
}
/// Adapters of the answer port.
pub mod answers {
    pub mod extractive;
    pub mod generated;
}
/// Adapters of the document port.
pub mod documents {
    #[cfg(feature = "real")]
    pub mod mongodb;
    pub mod postgres;
}
/// Adapters of the embedding port.
pub mod embeddings {
    pub mod embedded;
}
/// Adapters of the event log port.
pub mod event_log {
    mod archive;
    pub mod history;
    #[cfg(feature = "real")]
    pub mod kafka;
    mod months;
    pub mod postgres;
}
/// Adapters of the file port.
pub mod files {
    pub mod directory;
    mod objects;
    #[cfg(feature = "real")]
    pub mod s3;
}
mod look;
pub mod mail;
mod model_server;
mod models;
mod outgoing;
mod places;
mod prepare;
/// Adapters of the push message port.
pub mod push {
    pub mod web_push;
}
/// Adapters of the rate limit port.
pub mod rate_limits {
    pub mod in_process;
    #[cfg(feature = "real")]
    pub mod redis;
}
/// Adapters of the search port.
pub mod search {
    mod languages;
    #[cfg(feature = "real")]
    pub mod opensearch;
    pub mod postgres;
    mod ranking;
    mod tsearch;
}
pub mod servers;
/// Adapters of the shared read port.
pub mod shared_reads {
    pub mod in_process;
    #[cfg(feature = "real")]
    pub mod redis;
}
/// Adapters of the text message port.
pub mod sms {
    pub mod twilio;
}
/// Adapters of the task dispatch port.
pub mod task_dispatch {
    #[cfg(feature = "real")]
    mod deliveries;
    pub mod postgres;
    #[cfg(feature = "real")]
    mod queues;
    #[cfg(feature = "real")]
    pub mod rabbitmq;
}
/// Adapters of the transcription port.
pub mod transcription {
    pub mod openai;
}
/// Adapters of the vector port.
pub mod vectors {
    pub mod postgres;
    #[cfg(feature = "real")]
    pub mod qdrant;
}
/// Adapters of the workflow port.
pub mod workflows {
    pub mod codec;
    mod connection;
    pub mod remote_codec;
    mod schedule;
    pub mod temporal;
}

use std::sync::{Arc, OnceLock};

use embeddings::embedded::Fetch;
pub use places::{Claim, Part};

use secrecy::ExposeSecret as _;
use smartcourse_platform::{
    Result,
    config::{Config, Declared},
    ports::{
        announcements::Announcements,
        answers::Answerer,
        documents::Documents,
        embeddings::Models,
        event_log::{EventHistory, EventLog},
        files::Files,
        mail::Mailer,
        push::Pusher,
        rate_limits::RateLimits,
        search::Search,
        shared_reads::SharedReads,
        sms::Texter,
        task_dispatch::TaskDispatch,
        vectors::Vectors,
        workflows::Workflows,
    },
    postgres,
};
use sqlx::PgPool;
use workflows::{codec::Codec, temporal::Temporal};

/// What the adapters declare, each its own.
pub const CONFIG: &[Declared] = &[
    servers::kafka::CONFIG,
    servers::mongodb::CONFIG,
    servers::rabbitmq::CONFIG,
    servers::redis::CONFIG,
    servers::s3::CONFIG,
    servers::qdrant::CONFIG,
    servers::opensearch::CONFIG,
    files::directory::CONFIG,
    embeddings::embedded::CONFIG,
    answers::generated::CONFIG,
    answers::generated::openai::CONFIG,
    answers::generated::anthropic::CONFIG,
    transcription::openai::CONFIG,
    mail::CONFIG,
    sms::twilio::CONFIG,
    push::web_push::CONFIG,
    workflows::codec::CONFIG,
    workflows::remote_codec::CONFIG,
];

/// The engines the configuration names. Each is opened when a role asks for it: no role needs all of them. An engine that
/// is away is waited for where it is used, and never a reason not to start.
pub struct Engines {
    config: Config,
    /// Engines write while a transaction of their service is open, so they have connections of their own.
    pool: PgPool,
    /// What listens does so past a pooler.
    listeners: PgPool,
    temporal: Arc<Temporal>,
    log: Arc<dyn EventLog>,
    models: OnceLock<Arc<dyn Models>>,
    fetch: Option<Fetch>,
    #[cfg(feature = "real")]
    kafka: Option<servers::kafka::Kafka>,
    #[cfg(feature = "real")]
    mongo: Option<Arc<servers::mongodb::Mongo>>,
    #[cfg(feature = "real")]
    rabbit: Option<servers::rabbitmq::RabbitMq>,
    #[cfg(feature = "real")]
    redis: Option<servers::redis::Redis>,
    #[cfg(feature = "real")]
    bucket: Option<servers::s3::Bucket>,
    #[cfg(feature = "real")]
    qdrant: Option<servers::qdrant::Server>,
    #[cfg(feature = "real")]
    opensearch: Option<servers::opensearch::Server>,
}

impl Engines {
    /// Reads the settings; connects nothing yet. Fails when one cannot be used, or [`CONFIG`] was not declared.
    pub fn open(config: &Config) -> Result<Self> {
        mail::sender(&config.section::<mail::Settings>()?.from)?;
        let pool = postgres::pool(&config.postgres, "engines")?;
        let listeners = postgres::pool(&config.postgres.direct().few(), "listeners")?;
        let codec = Codec::open(&config.section()?)?;
        #[cfg(feature = "real")]
        let kafka = servers::kafka::Kafka::named(config)?;
        let poll = config.relay.poll();
        let log = || -> Arc<dyn EventLog> {
            let (pool, listeners) = (pool.clone(), listeners.clone());
            #[cfg(feature = "real")]
            if let Some(kafka) = &kafka {
                return Arc::new(event_log::kafka::Kafka::new(kafka.clone(), pool, listeners, poll));
            }
            Arc::new(event_log::postgres::Postgres::new(pool, listeners, poll))
        };
        Ok(Self {
            log: log(),
            config: config.clone(),
            temporal: Arc::new(Temporal::new(config.temporal.clone(), codec)),
            pool,
            listeners,
            models: OnceLock::new(),
            fetch: None,
            #[cfg(feature = "real")]
            kafka,
            #[cfg(feature = "real")]
            mongo: servers::mongodb::Mongo::named(config)?.map(Arc::new),
            #[cfg(feature = "real")]
            rabbit: servers::rabbitmq::RabbitMq::named(config)?,
            #[cfg(feature = "real")]
            redis: servers::redis::Redis::named(config)?,
            #[cfg(feature = "real")]
            bucket: servers::s3::Bucket::named(config)?,
            #[cfg(feature = "real")]
            qdrant: servers::qdrant::Server::named(config)?,
            #[cfg(feature = "real")]
            opensearch: servers::opensearch::Server::named(config)?,
        })
    }

    /// Workflows.
    pub fn workflows(&self) -> Arc<dyn Workflows> {
        self.temporal.clone()
    }

    /// The connection a worker polls through. Fails with `unavailable` when the server does not answer, with
    /// `workflows_refused` when it does not let us in.
    pub async fn temporal_client(&self) -> Result<temporalio_client::Client> {
        self.temporal.client().await.cloned()
    }

    /// The event log.
    pub fn event_log(&self) -> Arc<dyn EventLog> {
        Arc::clone(&self.log)
    }

    /// The event log from its first event. Fails when a setting cannot be used.
    pub fn event_history(&self) -> Result<Arc<dyn EventHistory>> {
        let (pool, files) = (self.pool.clone(), self.files()?);
        #[cfg(feature = "real")]
        if let Some(kafka) = &self.kafka {
            return Ok(Arc::new(event_log::kafka::Kafka::history(
                kafka.clone(),
                pool,
                files,
            )));
        }
        Ok(Arc::new(event_log::history::History::new(pool, files)))
    }

    /// Which background tasks are due.
    pub fn task_dispatch(&self) -> Arc<dyn TaskDispatch> {
        let pool = self.pool.clone();
        #[cfg(feature = "real")]
        if let Some(rabbit) = &self.rabbit {
            let places = self.config.tasks.concurrency;
            return Arc::new(task_dispatch::rabbitmq::RabbitMq::new(
                pool,
                rabbit.clone(),
                places,
            ));
        }
        let (listeners, poll) = (self.listeners.clone(), self.config.relay.poll());
        Arc::new(task_dispatch::postgres::Postgres::new(pool, listeners, poll))
    }

    /// Announcements.
    pub fn announcements(&self) -> Arc<dyn Announcements> {
        #[cfg(feature = "real")]
        if let Some(redis) = &self.redis {
            return Arc::new(announcements::redis::Redis::new(redis.clone()));
        }
        Arc::new(announcements::in_process::InProcess::default())
    }

    /// Rate limits.
    pub fn rate_limits(&self) -> Arc<dyn RateLimits> {
        #[cfg(feature = "real")]
        if let Some(redis) = &self.redis {
            return Arc::new(rate_limits::redis::Redis::new(redis.clone()));
        }
        Arc::new(rate_limits::in_process::InProcess::default())
    }

    /// Shared reads.
    pub fn shared_reads(&self) -> Arc<dyn SharedReads> {
        #[cfg(feature = "real")]
        if let Some(redis) = &self.redis {
            return Arc::new(shared_reads::redis::Redis::new(redis.clone()));
        }
        Arc::new(shared_reads::in_process::InProcess::default())
    }

    /// Documents.
    pub fn documents(&self) -> Arc<dyn Documents> {
        #[cfg(feature = "real")]
        if let Some(mongo) = &self.mongo {
            return Arc::new(documents::mongodb::MongoDb::new(Arc::clone(mongo)));
        }
        Arc::new(documents::postgres::Postgres::new(self.pool.clone()))
    }

    /// Files. Fails when a setting cannot be used.
    pub fn files(&self) -> Result<Arc<dyn Files>> {
        #[cfg(feature = "real")]
        if let Some(bucket) = &self.bucket {
            return Ok(Arc::new(files::s3::S3::new(bucket.clone())));
        }
        let settings: files::directory::Settings = self.config.section()?;
        Ok(Arc::new(files::directory::Directory::open(&settings.files_dir)?))
    }

    /// Vectors.
    pub fn vectors(&self) -> Arc<dyn Vectors> {
        #[cfg(feature = "real")]
        if let Some(qdrant) = &self.qdrant {
            return Arc::new(vectors::qdrant::Qdrant::new(qdrant.clone()));
        }
        Arc::new(vectors::postgres::Postgres::new(self.pool.clone()))
    }

    /// Search.
    pub fn search(&self) -> Arc<dyn Search> {
        #[cfg(feature = "real")]
        if let Some(opensearch) = &self.opensearch {
            return Arc::new(search::opensearch::OpenSearch::new(opensearch.clone()));
        }
        Arc::new(search::postgres::Postgres::new(self.pool.clone()))
    }

    /// What answers questions. Fails when a setting of the model that is named cannot be used.
    pub fn answerer(&self) -> Result<Arc<dyn Answerer>> {
        Ok(match answers::generated::Generated::named(&self.config)? {
            Some(model) => Arc::new(model),
            None => Arc::new(answers::extractive::Extractive),
        })
    }

    /// Mail. Fails when a setting cannot be used.
    pub fn mailer(&self) -> Result<Arc<dyn Mailer>> {
        let settings: mail::Settings = self.config.section()?;
        let from = mail::sender(&settings.from)?;
        Ok(if settings.smtp_url.expose_secret().is_empty() {
            Arc::new(mail::folder::Folder::new(&settings.folder, from)?)
        } else {
            Arc::new(mail::smtp::Smtp::new(&settings.smtp_url, from)?)
        })
    }

    /// Push messages; `None` when they are off. Fails when a setting cannot be used.
    pub fn pusher(&self) -> Result<Option<Arc<dyn Pusher>>> {
        let settings: push::web_push::Settings = self.config.section()?;
        let open = || Ok(Arc::new(push::web_push::WebPush::new(&settings)?) as Arc<dyn Pusher>);
        settings.is_on().then(open).transpose()
    }

    /// Text messages; `None` when they are off. Fails when a setting cannot be used.
    pub fn texter(&self) -> Result<Option<Arc<dyn Texter>>> {
        let settings: sms::twilio::Settings = self.config.section()?;
        let open = || Ok(Arc::new(sms::twilio::Twilio::new(&settings)?) as Arc<dyn Texter>);
        settings.is_on().then(open).transpose()
    }
}
