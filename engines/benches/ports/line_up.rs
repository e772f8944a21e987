//! The engines of SmartCourse as one process opens them.

use anyhow::Result;
use smartcourse_engines::{self as engines, Engines};
use smartcourse_platform::{
    config::Config,
    lifecycle::Lifecycle,
    outbox::relay::{self, Carriers},
    postgres,
};
use sqlx::{ConnectOptions as _, PgPool};
use tempfile::TempDir;

/// Engines over a database and a directory of their own.
pub(crate) struct LineUp {
    pub(crate) engines: Engines,
    pub(crate) config: Config,
    pub(crate) pool: PgPool,
    _files: TempDir,
}

impl LineUp {
    /// What is built in, but for the servers that these variables name.
    pub(crate) async fn open(servers: &[(String, String)]) -> Result<Self> {
        let pool = smartcourse_tests::database().await?;
        postgres::migrator().run(&pool).await?;
        let files = tempfile::tempdir()?;
        let mut variables = servers.to_vec();
        variables.extend(
            [
                ("DATABASE_URL", pool.connect_options().to_url_lossy().to_string()),
                (
                    "SMARTCOURSE_CONTENT__FILES_DIR",
                    files.path().display().to_string(),
                ),
                // In time or not: what falls back is not measured.
                ("SMARTCOURSE_REDIS__PATIENCE_MS", "10000".to_owned()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        let config = Config::load(engines::CONFIG, None, &variables)?;
        let engines = Engines::open(&config)?;
        engines.prepare().await?;
        Ok(Self {
            engines,
            config,
            pool,
            _files: files,
        })
    }

    /// Hands over what transactions leave in the outbox, until this life ends.
    pub(crate) fn relay(&self, life: &Lifecycle) {
        let carriers = Carriers {
            workflows: self.engines.workflows(),
            log: self.engines.event_log(),
            tasks: self.engines.task_dispatch(),
        };
        let poll = self.config.relay.poll();
        life.spawn(
            "relay",
            relay::run(self.pool.clone(), carriers, poll, life.clone()),
        );
    }
}
