//! Waking up when a transaction left something behind: by notification, by poll as a fallback.

use std::time::Duration;

use sqlx::{PgPool, postgres::PgListener};

use crate::lifecycle::Lifecycle;

/// Waits for a notification on a channel. A lost connection costs notifications, never work: the poll goes on.
pub(crate) struct Waker {
    pool: PgPool,
    channel: &'static str,
    poll: Duration,
    life: Lifecycle,
    listener: Option<PgListener>,
}

impl Waker {
    /// Listens over this pool; `poll` is the longest pause.
    pub(crate) fn new(pool: PgPool, channel: &'static str, poll: Duration, life: Lifecycle) -> Self {
        Self {
            pool,
            channel,
            poll,
            life,
            listener: None,
        }
    }

    /// Connects if need be. Call it before looking for work, so that what comes while looking wakes the next wait.
    pub(crate) async fn listen(&mut self) {
        if self.listener.is_none()
            && let Ok(mut listener) = PgListener::connect_with(&self.pool).await
            && listener.listen(self.channel).await.is_ok()
        {
            self.listener = Some(listener);
        }
    }

    /// Returns when there may be something new, or the process stops.
    pub(crate) async fn wait(&mut self) {
        let notified = async {
            match self.listener.as_mut() {
                Some(listener) => listener.recv().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.life.stopping() => {}
            () = tokio::time::sleep(self.poll) => {}
            alive = notified => if !alive { self.listener = None },
        }
    }
}
