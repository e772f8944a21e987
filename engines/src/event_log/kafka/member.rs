//! A member of a consumer group: effects and the place of the group in one transaction, then the offset.
//!
//! The place in PostgreSQL is what counts. Whatever comes again, by a rebalance or a second sending, is at or before it,
//! and skipped; the offset only says where to begin.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use futures::{FutureExt as _, future::try_join_all};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer as _},
    error::RDKafkaErrorCode,
    message::{BorrowedMessage, OwnedMessage},
};
use smartcourse_platform::{
    Result,
    events::{self, Consumer, Event, READ_BATCH},
    lifecycle::Lifecycle,
    postgres,
    waker::{self, Waker},
};
use sqlx::PgPool;

use super::{
    super::postgres as table,
    PAUSE,
    dead_letters::DeadLetters,
    offsets::{Partition, Stream},
    place::Place,
    record,
};
use crate::servers::kafka::{Kafka, unavailable};

/// By then the relay has mostly recorded where the latest events are.
const SOON: Duration = Duration::from_millis(50);

/// A message that was read.
struct Read {
    partition: Partition,
    offset: i64,
    /// Or the message as it is, and why it is no event.
    event: Result<Event, Box<(OwnedMessage, String)>>,
}

impl Read {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        Self {
            partition: (message.topic().to_owned(), message.partition()),
            offset: message.offset(),
            event: record::event(message).map_err(|reason| Box::new((message.detach(), reason))),
        }
    }
}

/// What a round has done.
struct Taken {
    /// Messages that were seen to.
    messages: usize,
    /// There is more to do at once.
    more: bool,
    /// The place is to be written once more soon.
    behind: bool,
}

/// A member.
pub(super) struct Member<'a> {
    pub(super) stream: Stream,
    pub(super) dead_letters: &'a DeadLetters,
    pub(super) pool: &'a PgPool,
    pub(super) consumer: &'a dyn Consumer,
}

impl Member<'_> {
    /// Takes part in the group until the process stops. Fails when the brokers will not have this member any more.
    pub(super) async fn run(&self, kafka: &Kafka, mut waker: Waker, life: &Lifecycle) -> Result<()> {
        let group = self.consumer.group();
        kafka.prepare_group(group).await?;
        let topics = kafka.topics();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        self.stream.subscribe(&topics).map_err(unavailable)?;
        let mut held = VecDeque::new();
        let (mut more, mut behind) = (false, false);
        while !life.token().is_cancelled() {
            waker.reset();
            if !more {
                tokio::select! {
                    () = life.stopping() => break,
                    read = self.read() => held.extend(read?),
                    () = tokio::time::sleep(SOON), if behind => {}
                    // A parked event is due, or it is time to look.
                    () = waker.wait() => {}
                }
            }
            match waker::in_time(self.take(&held)).await {
                Ok(taken) => {
                    self.commit(held.drain(..taken.messages));
                    more = taken.more || !held.is_empty();
                    behind = taken.behind;
                }
                Err(error) => {
                    tracing::warn!(group, error = %error.chain(), "trying again soon");
                    life.sleep(PAUSE).await;
                    more = true;
                }
            }
        }
        Ok(())
    }

    /// Waits for messages, and reads those that are there.
    async fn read(&self) -> Result<Vec<Read>> {
        let mut next = self.stream.recv().await;
        let mut read = Vec::new();
        loop {
            match next {
                Ok(message) => read.push(Read::of(&message)),
                Err(error) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => {
                    return Err(unavailable(error));
                }
                // The library connects again by itself.
                Err(error) => {
                    tracing::warn!(group = self.consumer.group(), %error, "Kafka does not answer as it should");
                    return Ok(read);
                }
            }
            if read.len() == READ_BATCH {
                return Ok(read);
            }
            next = match self.stream.recv().now_or_never() {
                Some(next) => next,
                None => return Ok(read),
            };
        }
    }

    /// Parked events that are due, then as many of these messages as there is room for.
    async fn take(&self, held: &VecDeque<Read>) -> Result<Taken> {
        let (group, batch) = (self.consumer.group(), self.consumer.batch());
        let mut tx = postgres::begin(self.pool).await?;
        events::hold_group(&mut tx, group).await?;
        let mut place = Place::of(&mut tx, group).await?;
        // It may be given partitions that others have read up to here.
        self.stream.context().know(place.offsets.drain());
        if place.begins {
            table::tell_what_is_gone(&mut tx, group).await?;
        }
        let left = events::retry_parked(&mut tx, self.consumer, batch).await?;
        let room = left.max(1);
        let mut wanted = Vec::new();
        let mut messages = 0;
        for read in held {
            match &read.event {
                Ok(event) if !place.is_past(&read.partition, event.position) => {
                    if self.consumer.wants(&event.event_type) {
                        if wanted.len() == room {
                            break;
                        }
                        wanted.push(event);
                    }
                    place.reach(&read.partition, event.position, read.offset);
                }
                Ok(_) => place.pass(&read.partition, read.offset),
                Err(broken) => {
                    let (message, reason) = broken.as_ref();
                    tracing::error!(group, topic = %read.partition.0, offset = read.offset, reason, "no event of ours");
                    self.dead_letters.put_message(group, message, reason).await?;
                    place.pass(&read.partition, read.offset);
                }
            }
            messages += 1;
        }
        let refused = events::take(&mut tx, self.consumer, &wanted).await?;
        let told = refused
            .iter()
            .map(|(event, reason)| self.dead_letters.put(group, event, reason));
        try_join_all(told).await?;
        let taken = !wanted.is_empty() || left < batch;
        let place = place.write(&mut tx).await?;
        table::commit(tx, group, taken, place.moved).await?;
        Ok(Taken {
            messages,
            more: left == 0,
            behind: place.behind,
        })
    }

    /// Tells the brokers where to go on after these messages; what they do not hear is skipped when it comes again.
    fn commit(&self, done: impl Iterator<Item = Read>) {
        let offsets: HashMap<Partition, i64> = done.map(|read| (read.partition, read.offset + 1)).collect();
        let mut next = TopicPartitionList::new();
        for ((topic, partition), offset) in &offsets {
            drop(next.add_partition_offset(topic, *partition, Offset::Offset(*offset)));
        }
        self.stream.context().know(offsets);
        if let Err(error) = self.stream.commit(&next, CommitMode::Async) {
            tracing::debug!(group = self.consumer.group(), %error, "an offset was not committed");
        }
    }
}
