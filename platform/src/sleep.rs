//! Sleep that writers can see: they notify while somebody sleeps, and only then.
//!
//! PostgreSQL lets one transaction that notifies commit at a time, its write to the disk included. A burst of writers that
//! all notify is therefore as slow as if they came one after the other, to wake somebody who is awake since the first.
//!
//! Whoever sleeps holds an advisory lock alone. A writer tries to share it until the end of its transaction
//! (`platform.wake`): if it cannot, it notifies; if it can, nobody sleeps, and it need not. That loses nothing:
//!
//! - A writer that did not notify shares the lock until after its commit. So when the lock is had alone, every such
//!   writer's row can be seen, and whoever lies down looks once more before it waits. While it cannot be had, it looks
//!   again some 20 ms later instead of waiting.
//! - A writer that comes once the lock is held notifies with its commit, which ends the wait.
//!
//! Of several who do the same work one has the lock, and the others may sleep beside it: the writers notify, which wakes
//! all. While the one works, the others sleep on, since it looks at everything until it sleeps again. When it goes, it wakes
//! them, so that one of them has the lock. If it dies, they find the rest with their next poll; so does everybody whose session breaks or is not its own (a pooler in
//! between), and a lock that is left behind only makes writers notify.

use std::time::Duration;

use sqlx::{
    Connection as _, FromRow, PgConnection, PgPool, Postgres,
    postgres::{PgArguments, PgRow},
    query::QueryAs,
};

use crate::{error::Result, postgres};

/// First key of the advisory lock, "wake"; `platform.wake` names it too. The second is what is left for the sleeper.
const LOCK: i32 = 0x7761_6b65;

/// How long the session may take to answer: the lock is a matter of milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What writers leave for a sleeper; they name it to `platform.wake`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// `platform.events`.
    Events = 1,
    /// `platform.outbox_commands`.
    Commands = 2,
}

/// The sleep of one who does this work, over a connection of its own: the lock belongs to the session.
#[derive(Debug)]
pub(crate) struct Sleep {
    pool: PgPool,
    work: Work,
    session: Option<PgConnection>,
    asleep: bool,
}

impl Sleep {
    /// Awake. The connection is made like those of the pool, when it is first needed.
    pub(crate) fn new(pool: PgPool, work: Work) -> Self {
        Self {
            pool,
            work,
            session: None,
            asleep: false,
        }
    }

    /// From now on writers notify; false while one is under way who will not.
    pub(crate) async fn begin(&mut self) -> Result<bool> {
        // Shared at the same time, the lock is held by writers; otherwise by another sleeper.
        let (alone, writers): (bool, bool) = self
            .ask_of_lock(
                "select alone, case when alone then false
                     when pg_try_advisory_lock_shared($1, $2) then pg_advisory_unlock_shared($1, $2) else false end
                 from pg_try_advisory_lock($1, $2) alone",
            )
            .await?;
        self.asleep = alone;
        Ok(!writers)
    }

    /// From now on writers need not notify.
    pub(crate) async fn end(&mut self) {
        if !std::mem::take(&mut self.asleep) {
            return;
        }
        let unlocked: Result<(bool,)> = self.ask_of_lock("select pg_advisory_unlock($1, $2)").await;
        if let Err(error) = unlocked {
            // The lock has gone with the session.
            tracing::debug!(error = %error.chain(), "the session of a sleeper broke");
        }
    }

    /// Gives up the work: who sleeps beside takes over, woken on this channel.
    pub(crate) async fn leave(mut self, channel: &str) {
        self.end().await;
        let woken: Result<(String,)> = self
            .ask(sqlx::query_as("select pg_notify($1, '')::text").bind(channel))
            .await;
        if let Err(error) = woken {
            tracing::debug!(error = %error.chain(), "who sleeps beside takes over with the next poll");
        }
    }

    async fn ask_of_lock<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(
        &mut self,
        question: &'static str,
    ) -> Result<T> {
        let work = self.work as i32;
        self.ask(sqlx::query_as(question).bind(LOCK).bind(work)).await
    }

    /// The session's answer. When there is none, the session is closed, and holds nothing.
    async fn ask<T: for<'r> FromRow<'r, PgRow> + Send + Unpin>(
        &mut self,
        question: QueryAs<'_, Postgres, T, PgArguments>,
    ) -> Result<T> {
        let answer = async {
            let mut session = match self.session.take() {
                Some(session) => session,
                None => PgConnection::connect_with(&self.pool.connect_options()).await?,
            };
            let answer = question.fetch_one(&mut session).await?;
            Ok((session, answer))
        };
        let (session, answer) = postgres::in_time(PATIENCE, answer).await?;
        self.session = Some(session);
        Ok(answer)
    }
}
