//! Waking up when a transaction left something behind: by notification, by poll as a fallback.
//!
//! PostgreSQL interrupts every connection that listens at each notification of the database, whatever the channel. However
//! many wait in a process, it therefore listens over one connection.

use std::{convert::Infallible, future::Future, sync::OnceLock, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::watch;

use crate::{
    error::{Error, Result, codes},
    lifecycle::Lifecycle,
    ports::event_log::Moved,
};

/// Pause before the next try to listen.
const RECONNECT: Duration = Duration::from_secs(1);
/// A round that takes longer waits for a database that has vanished without a word.
const ROUND: Duration = Duration::from_secs(60);

/// Waits for notifications on a channel; clones wait on their own. A lost connection costs notifications, never work: the
/// poll goes on.
#[derive(Debug, Clone)]
pub struct Waker {
    heard: watch::Receiver<()>,
    poll: Duration,
    life: Lifecycle,
}

impl Waker {
    /// Listens on a channel over one connection of this pool until the process stops; `poll` is the longest pause.
    pub(crate) fn new(pool: PgPool, channel: &'static str, poll: Duration, life: Lifecycle) -> Self {
        let (sender, heard) = watch::channel(());
        life.spawn("listener", listen(pool, channel, sender, life.clone()));
        Self { heard, poll, life }
    }

    /// The process should stop.
    pub fn is_over(&self) -> bool {
        self.life.token().is_cancelled()
    }

    /// Call it before reading what there is to do: what is heard from now on ends the next wait.
    pub fn reset(&mut self) {
        self.heard.mark_unchanged();
    }

    /// Does rounds of work until the process stops; a full round is followed by the next at once. What fails is tried again
    /// after the pause, and the log names who does.
    pub async fn work<F: Future<Output = Result<Moved>>>(mut self, who: &str, round: impl Fn() -> F) {
        while !self.is_over() {
            self.reset();
            let round = tokio::time::timeout(ROUND, round()).await;
            match round.unwrap_or_else(|_| Err(Error::new(&codes::TIMEOUT, "the database has vanished"))) {
                Ok(moved) if moved.more => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(who, error = %error.chain(), "trying again soon"),
            }
            self.wait().await;
        }
    }

    /// Returns when there may be something new, or the process stops.
    pub async fn wait(&mut self) {
        tokio::select! {
            () = self.life.stopping() => {}
            () = tokio::time::sleep(self.poll) => {}
            // Nobody listens any more only when the process stops.
            Ok(()) = self.heard.changed() => {}
        }
    }
}

/// The waker of a process for a channel, made by whoever waits first: not every process does.
#[derive(Debug)]
pub struct SharedWaker {
    pool: PgPool,
    channel: &'static str,
    poll: Duration,
    made: OnceLock<Waker>,
}

impl SharedWaker {
    /// Over a connection of this pool; `poll` is the longest pause of whoever hears of nothing.
    pub fn new(pool: PgPool, channel: &'static str, poll: Duration) -> Self {
        Self {
            pool,
            channel,
            poll,
            made: OnceLock::new(),
        }
    }

    /// A waker of one's own, until the process stops.
    pub fn get(&self, life: &Lifecycle) -> Waker {
        let make = || Waker::new(self.pool.clone(), self.channel, self.poll, life.clone());
        self.made.get_or_init(make).clone()
    }
}

async fn listen(
    pool: PgPool,
    channel: &'static str,
    heard: watch::Sender<()>,
    life: Lifecycle,
) -> Result<()> {
    loop {
        tokio::select! {
            () = life.stopping() => return Ok(()),
            Err(error) = hear(&pool, channel, &heard) => {
                tracing::debug!(channel, %error, "nobody listens; polling meanwhile");
            }
        }
        if !life.sleep(RECONNECT).await {
            return Ok(());
        }
    }
}

/// Tells everybody who waits; returns only when the server cannot be reached.
async fn hear(pool: &PgPool, channel: &str, heard: &watch::Sender<()>) -> sqlx::Result<Infallible> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    loop {
        // Also when the connection is a new one, since nobody knows what was said before.
        heard.send_replace(());
        listener.try_recv().await?;
    }
}
