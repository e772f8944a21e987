//! Waking up when a transaction left something behind: by notification, by poll as a fallback.
//!
//! PostgreSQL interrupts every connection that listens at each notification of the database, whatever the channel. However
//! many wait in a process, it therefore listens over one connection.

use std::{convert::Infallible, future::Future, sync::OnceLock, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::sync::watch;

use crate::{
    error::Result,
    lifecycle::{Lifecycle, Pulse},
    ports::event_log::Moved,
    postgres,
    sleep::Sleep,
};

/// Pause before the next try to listen.
const RECONNECT: Duration = Duration::from_secs(1);
/// Pauses while somebody writes who will not notify: the first, in which a burst brings enough for a round that is worth its commit, and
/// the longest when nothing comes.
const SOON: Duration = Duration::from_millis(20);
const LATER: Duration = Duration::from_millis(80);
/// A round that takes longer waits for a database that has vanished without a word.
const ROUND: Duration = Duration::from_secs(60);

/// Waits for notifications on a channel; clones wait on their own. A lost connection costs notifications, never work: the
/// poll goes on.
#[derive(Debug, Clone)]
pub struct Waker {
    channel: &'static str,
    heard: watch::Receiver<()>,
    poll: Duration,
    life: Lifecycle,
}

impl Waker {
    /// Listens on a channel over one connection of this pool until the process stops; `poll` is the longest pause.
    pub(crate) fn new(pool: PgPool, channel: &'static str, poll: Duration, life: Lifecycle) -> Self {
        let (sender, heard) = watch::channel(());
        life.spawn("listener", listen(pool, channel, sender, life.clone()));
        Self {
            channel,
            heard,
            poll,
            life,
        }
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
        let pulse = self.life.pulse(who);
        while !self.is_over() {
            self.reset();
            if !bounded(who, &pulse, round()).await.more {
                self.wait().await;
            }
        }
    }

    /// The same, for work that is left by writers who notify only while this sleeps.
    pub(crate) async fn work_or_sleep<F>(mut self, who: &str, mut sleep: Sleep, round: impl Fn() -> F)
    where
        F: Future<Output = Result<Moved>>,
    {
        let mut pause = SOON;
        let pulse = self.life.pulse(who);
        while !self.is_over() {
            self.reset();
            let moved = bounded(who, &pulse, round()).await;
            if moved.more {
                continue;
            }
            let asleep = sleep.begin().await.unwrap_or_else(|error| {
                tracing::warn!(who, error = %error.chain(), "sleeping until the next poll");
                true
            });
            if asleep {
                pause = SOON;
                // What was committed until now is seen now, and whatever comes later is notified of.
                self.reset();
                if !bounded(who, &pulse, round()).await.more {
                    self.wait().await;
                }
                sleep.end().await;
            } else {
                // Somebody who will not notify has not committed yet.
                pause = if moved.count > 0 {
                    SOON
                } else {
                    LATER.min(pause * 2)
                };
                self.life.sleep(pause).await;
            }
        }
        sleep.leave(self.channel).await;
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

/// What a round has moved: nothing when it failed, or took too long.
async fn bounded(who: &str, pulse: &Pulse, round: impl Future<Output = Result<Moved>>) -> Moved {
    match in_time(round).await {
        Ok(moved) => {
            pulse.beat();
            moved
        }
        Err(error) => {
            tracing::warn!(who, error = %error.chain(), "trying again soon");
            Moved::default()
        }
    }
}

/// A round, if it ends in time; `timeout` when it waits for a database that has vanished.
pub async fn in_time<T>(round: impl Future<Output = Result<T>>) -> Result<T> {
    postgres::in_time(ROUND, round).await
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
