//! The adapters of the ports of [`smartcourse_platform::ports`]: one folder per port, one file per adapter. The only room
//! that names the client crate of an engine or provider.
//!
//! | port | embedded | others |
//! |---|---|---|
//! | documents | [`documents::postgres`] | |
//! | files | [`files::directory`] | |
//! | vectors | [`vectors::postgres`] | |
//! | search | [`search::postgres`] | |
//! | embeddings | [`embeddings::embedded`] | |
//! | answers | [`answers::extractive`] | |
//! | mail | [`mail::folder`] | [`mail::smtp`] |
//! | event log | [`event_log::postgres`] | |
//! | task dispatch | [`task_dispatch::postgres`] | |
//! | rate limits | [`rate_limits::in_process`] | |
//! | workflows | [`workflows::temporal`] | the same, anywhere |
//! | push messages | | [`push::web_push`] |
//! | text messages | | [`sms::twilio`] |
//!
//! A new adapter is a file here, a line in [`Engines`] and a test that runs the port's contract suite on it.

pub mod answers;
pub mod config;
pub mod documents;
pub mod embeddings;
pub mod event_log;
pub mod files;
pub mod mail;
mod outgoing;
pub mod push;
pub mod rate_limits;
pub mod search;
pub mod sms;
pub mod task_dispatch;
pub mod vectors;
pub mod workflows;

use std::sync::Arc;

use config::{Directories, Mail, Sms, WebPush};
use secrecy::ExposeSecret as _;
use smartcourse_platform::{
    Result,
    config::Config,
    ports::{
        answers::Answerer, documents::Documents, embeddings::Embedder, event_log::EventLog, files::Files,
        mail::Mailer, push::Pusher, rate_limits::RateLimits, search::Search, sms::Texter,
        task_dispatch::TaskDispatch, vectors::Vectors, workflows::Workflows,
    },
    postgres,
};
use sqlx::PgPool;
use workflows::temporal::Temporal;

/// The engines the configuration names.
///
/// Each is opened when a role asks for it: no role needs all of them. An engine that is away is waited for where it is
/// used, and never a reason not to start.
pub struct Engines {
    config: Config,
    /// Engines write while a transaction of their service is open, so they have connections of their own.
    pool: PgPool,
    temporal: Arc<Temporal>,
    log: Arc<event_log::postgres::Postgres>,
}

impl Engines {
    /// Reads the settings; nothing is connected yet.
    ///
    /// # Errors
    /// When a setting cannot be used, or [`CONFIG`](config::CONFIG) was not declared.
    pub fn open(config: &Config) -> Result<Self> {
        mail::sender(&config.section::<Mail>()?.from)?;
        let pool = postgres::pool(&config.postgres, "engines")?;
        let log = event_log::postgres::Postgres::new(pool.clone(), config.relay.poll());
        Ok(Self {
            log: Arc::new(log),
            config: config.clone(),
            temporal: Arc::new(Temporal::new(config.temporal.clone())),
            pool,
        })
    }

    /// Workflows.
    pub fn workflows(&self) -> Arc<dyn Workflows> {
        self.temporal.clone()
    }

    /// The connection a worker polls through.
    ///
    /// # Errors
    /// `unavailable` when the server does not answer.
    pub async fn temporal_client(&self) -> Result<temporalio_client::Client> {
        self.temporal.client().await.cloned()
    }

    /// The event log.
    pub fn event_log(&self) -> Arc<dyn EventLog> {
        self.log.clone()
    }

    /// Which background tasks are due.
    pub fn task_dispatch(&self) -> Arc<dyn TaskDispatch> {
        let poll = self.config.relay.poll();
        Arc::new(task_dispatch::postgres::Postgres::new(self.pool.clone(), poll))
    }

    /// Rate limits.
    pub fn rate_limits(&self) -> Arc<dyn RateLimits> {
        Arc::new(rate_limits::in_process::InProcess::default())
    }

    /// Documents.
    pub fn documents(&self) -> Arc<dyn Documents> {
        Arc::new(documents::postgres::Postgres::new(self.pool.clone()))
    }

    /// Files.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn files(&self) -> Result<Arc<dyn Files>> {
        let directories: Directories = self.config.section()?;
        Ok(Arc::new(files::directory::Directory::open(
            &directories.files_dir,
        )?))
    }

    /// Vectors.
    pub fn vectors(&self) -> Arc<dyn Vectors> {
        Arc::new(vectors::postgres::Postgres::new(self.pool.clone()))
    }

    /// Search.
    pub fn search(&self) -> Arc<dyn Search> {
        Arc::new(search::postgres::Postgres::new(self.pool.clone()))
    }

    /// The embedding model.
    ///
    /// # Errors
    /// When its weights are there and cannot be loaded.
    pub fn embedder(&self) -> Result<Arc<dyn Embedder>> {
        embeddings::embedded::open(&self.config.section::<Directories>()?.model_dir)
    }

    /// What answers questions.
    pub fn answerer(&self) -> Arc<dyn Answerer> {
        Arc::new(answers::extractive::Extractive)
    }

    /// Mail.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn mailer(&self) -> Result<Arc<dyn Mailer>> {
        let mail: Mail = self.config.section()?;
        let from = mail::sender(&mail.from)?;
        Ok(if mail.smtp_url.expose_secret().is_empty() {
            Arc::new(mail::folder::Folder::new(&mail.folder, from)?)
        } else {
            Arc::new(mail::smtp::Smtp::new(&mail.smtp_url, from)?)
        })
    }

    /// Push messages; `None` when they are off.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn pusher(&self) -> Result<Option<Arc<dyn Pusher>>> {
        let settings: WebPush = self.config.section()?;
        if !settings.is_on() {
            return Ok(None);
        }
        Ok(Some(Arc::new(push::web_push::WebPush::new(&settings)?)))
    }

    /// Text messages; `None` when they are off.
    ///
    /// # Errors
    /// When a setting cannot be used.
    pub fn texter(&self) -> Result<Option<Arc<dyn Texter>>> {
        let settings: Sms = self.config.section()?;
        if !settings.is_on() {
            return Ok(None);
        }
        Ok(Some(Arc::new(sms::twilio::Twilio::new(&settings)?)))
    }

    /// Makes what keeps data ready for it: collections, buckets, indexes. Again is nothing.
    ///
    /// # Errors
    /// When an engine does not answer or refuses.
    pub async fn prepare(&self) -> Result<()> {
        self.documents().prepare().await?;
        self.files()?.prepare().await
    }
}
