//! The event log in Kafka: what the outbox has placed is sent there in its order, and every group reads it there.
//!
//! The topic of an event is that of the kind of aggregate its key names, so that all events of a key are in one partition, in their order
//! ([`record`] says what a message has in it). A group is a consumer group; how far it is stands in PostgreSQL, beside its effects
//! ([`place`]).

mod commands;
mod dead_letters;
mod ends;
mod history;
mod member;
mod offsets;
mod place;
mod record;
mod sender;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    events::{CHANNEL, Consumer},
    lifecycle::Lifecycle,
    ports::{
        event_log::{EventLog, Lag, Moved},
        files::Files,
    },
    waker::SharedWaker,
};
use sqlx::PgPool;

pub use self::history::History;
use self::{dead_letters::DeadLetters, member::Member, sender::Sender};
use super::postgres;
use crate::servers;

/// Pause after something failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The topics.
pub struct Kafka {
    kafka: servers::kafka::Kafka,
    pool: PgPool,
    sender: Sender,
    dead_letters: DeadLetters,
    waker: SharedWaker,
}

impl Kafka {
    /// Over the pool of the engines, and that of its listeners; `poll` is the longest pause between two looks at what is parked.
    pub fn new(kafka: servers::kafka::Kafka, pool: PgPool, listeners: PgPool, poll: Duration) -> Self {
        Self {
            sender: Sender::new(kafka.clone(), pool.clone()),
            dead_letters: DeadLetters::new(kafka.clone()),
            waker: SharedWaker::new(listeners, CHANNEL, poll),
            kafka,
            pool,
        }
    }

    /// The log from its first event; the files have what went there before Kafka was named.
    pub fn history(kafka: servers::kafka::Kafka, pool: PgPool, files: Arc<dyn Files>) -> History {
        History { kafka, pool, files }
    }
}

#[async_trait]
impl EventLog for Kafka {
    async fn prepare(&self) -> Result<()> {
        self.kafka.prepare().await
    }

    async fn publish(&self) -> Result<Moved> {
        let placed = if self.sender.may_place().await? {
            postgres::place_silently(&self.pool).await?
        } else {
            Moved::default()
        };
        let sent = self.sender.send().await?;
        Ok(Moved {
            count: placed.count + sent.count,
            more: placed.more || sent.more,
        })
    }

    async fn deliver(&self, pool: PgPool, consumer: Arc<dyn Consumer>, life: Lifecycle) -> Result<()> {
        let group = consumer.group();
        let take_part = || async {
            let member = Member {
                stream: offsets::member(&self.kafka, &pool, group).await?,
                dead_letters: &self.dead_letters,
                pool: &pool,
                consumer: consumer.as_ref(),
            };
            let left = member.run(&self.kafka, self.waker.get(&life), &life).await;
            servers::kafka::let_go(member.stream);
            left
        };
        stay(group, &life, take_part).await;
        Ok(())
    }

    async fn accept(&self, life: Lifecycle) -> Result<()> {
        let take_part = || commands::accept(&self.kafka, &self.dead_letters, &self.pool, &life);
        stay(servers::kafka::COMMANDS, &life, take_part).await;
        Ok(())
    }

    async fn lags(&self) -> Result<Vec<Lag>> {
        postgres::lags(&self.pool).await
    }
}

/// Takes part in a group until the process stops; whoever fails joins again.
async fn stay<F: Future<Output = Result<()>>>(group: &str, life: &Lifecycle, take_part: impl Fn() -> F) {
    while !life.token().is_cancelled() {
        if let Err(error) = take_part().await {
            tracing::warn!(group, error = %error.chain(), "joining the group again soon");
            life.sleep(PAUSE).await;
        }
    }
}
