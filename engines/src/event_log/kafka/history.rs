//! The log in Kafka from its first event, and what goes from the table behind it.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use async_trait::async_trait;
use futures::FutureExt as _;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, stream_consumer::StreamPartitionQueue},
    error::KafkaResult,
    message::BorrowedMessage,
};
use smartcourse_platform::{
    Error, Result,
    error::codes,
    events::Event,
    ports::{
        event_log::{EventHistory, Replay},
        files::Files,
    },
    upkeep,
};
use sqlx::{PgPool, types::time::OffsetDateTime};
use time::Duration;

use super::{
    super::{
        history::{Live, from_start},
        months,
    },
    offsets::Partition,
    place::Place,
    record,
};
use crate::servers::kafka::{Consumer, Context, Kafka, PATIENCE, ask, let_go, unavailable};

/// How long the table keeps an event after it was written and the last group took it: whoever looks into what has just happened looks
/// there, as does a rebuild for what was parked when its turn came.
const KEPT: Duration = Duration::days(1);
/// Events of a partition that are read ahead.
const AHEAD: usize = 500;

/// Kafka, and the months that had gone to the files before.
pub struct History {
    pub(super) kafka: Kafka,
    pub(super) pool: PgPool,
    pub(super) files: Arc<dyn Files>,
}

#[async_trait]
impl EventHistory for History {
    fn replay(&self, group: &'static str) -> Box<dyn Replay> {
        let live = Topics {
            kafka: self.kafka.clone(),
            pool: self.pool.clone(),
            group,
            reader: None,
        };
        from_start(self.pool.clone(), Arc::clone(&self.files), live)
    }

    /// Nothing goes to the files: Kafka has it all.
    async fn sweep(&self, now: OffsetDateTime, _: Option<OffsetDateTime>) -> Result<u64> {
        months::make(&self.pool, now).await?;
        upkeep::batched(&self.pool, || {
            sqlx::query!(
                "delete from platform.events where id in (
                     select e.id from platform.events e
                     where e.position <= (select max(position) from platform.event_partitions)
                         and e.position <= (select min(position) from platform.event_groups) and e.created_at < $1
                         and not exists (select from platform.parked_events p where p.event_id = e.id)
                         and not exists (
                             select from platform.event_groups g join platform.inbox i on i.group_name = g.name
                             where i.event_id = e.id and i.done_at >= $1) limit $2)",
                now - KEPT,
                upkeep::BATCH
            )
        })
        .await
    }
}

/// What a group was given of the topics, merged by position.
struct Topics {
    kafka: Kafka,
    pool: PgPool,
    group: &'static str,
    reader: Option<Reader>,
}

impl Drop for Topics {
    fn drop(&mut self) {
        let_go(self.reader.take());
    }
}

struct Reader {
    stream: Arc<Consumer>,
    partitions: Vec<Queue>,
    keeps_all: bool,
}

/// A partition that is read from its beginning.
struct Queue {
    partition: Partition,
    queue: StreamPartitionQueue<Context>,
    ahead: VecDeque<Event>,
    /// Position of the last event that was read.
    last: i64,
    /// Offset of the next message.
    next_offset: i64,
}

#[async_trait]
impl Live for Topics {
    async fn read(&mut self, limit: usize) -> Result<Vec<Event>> {
        let place = Place::of(&mut *self.pool.acquire().await?, self.group).await?;
        let ends = sqlx::query!("select topic, partition, position from platform.event_partitions")
            .fetch_all(&self.pool)
            .await?;
        let ends: Vec<(Partition, i64)> = ends
            .into_iter()
            .map(|row| ((row.topic, row.partition), row.position))
            .collect();
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(Reader {
                stream: Arc::new(self.kafka.reader()?),
                partitions: Vec::new(),
                keeps_all: self.kafka.keeps_all(),
            }),
        };
        let known = ends.iter().map(|(partition, _)| partition);
        reader.open(known.chain(place.partitions()))?;
        // Up to where each partition is given, and up to where it is read for that.
        let bounds = reader.partitions.iter().map(|queue| {
            let reached = place.reached(&queue.partition);
            let end = ends.iter().find(|(partition, _)| *partition == queue.partition);
            // There is an event with the position of the end, and one with that of the group's place in the partition. If the
            // group was given more by another way, one that is beyond it comes before the end.
            let end = end.map_or(0, |(_, end)| *end);
            let last = place.in_partition(&queue.partition).max(end);
            (reached, reached.min(last))
        });
        let bounds: Vec<(i64, i64)> = bounds.collect();
        let mut events = Vec::new();
        while events.len() < limit {
            let mut first: Option<usize> = None;
            for (index, (reached, last)) in bounds.iter().enumerate() {
                let queue = &reader.partitions[index];
                if queue.ahead.is_empty() && queue.last < *last {
                    reader.read_on(index, *last).await?;
                }
                let position =
                    |index: usize| reader.partitions[index].ahead.front().map(|event| event.position);
                if let Some(next) = position(index)
                    && next <= *reached
                    && first.and_then(position).is_none_or(|known| next < known)
                {
                    first = Some(index);
                }
            }
            let event = first.and_then(|first| reader.partitions[first].ahead.pop_front());
            let Some(event) = event else { break };
            events.push(event);
        }
        Ok(events)
    }
}

impl Reader {
    /// Begins to read the partitions that are new.
    fn open<'p>(&mut self, partitions: impl Iterator<Item = &'p Partition>) -> Result<()> {
        let mut new: HashSet<&Partition> = partitions.collect();
        new.retain(|partition| self.partitions.iter().all(|queue| queue.partition != **partition));
        let mut assigned = TopicPartitionList::new();
        for (topic, partition) in &new {
            assigned
                .add_partition_offset(topic, *partition, Offset::Beginning)
                .map_err(unavailable)?;
        }
        if !new.is_empty() {
            self.stream.incremental_assign(&assigned).map_err(unavailable)?;
        }
        for (topic, partition) in new {
            let queue = self
                .stream
                .split_partition_queue(topic, *partition)
                .ok_or_else(|| {
                    Error::internal(format!(
                        "partition {partition} of {topic} cannot be read by itself"
                    ))
                })?;
            self.partitions.push(Queue {
                partition: (topic.clone(), *partition),
                queue,
                ahead: VecDeque::new(),
                last: 0,
                next_offset: 0,
            });
        }
        Ok(())
    }

    /// Waits for events of a partition, up to the one of this position, and reads those that are there.
    async fn read_on(&mut self, index: usize, last: i64) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            // What came before the queues were split has come by the common one, and is earlier.
            while let Some(message) = self.stream.recv().now_or_never() {
                let read = Read::of(message)?;
                self.keep(read);
            }
            while self.partitions[index].ahead.len() < AHEAD
                && let Some(message) = self.partitions[index].queue.recv().now_or_never()
            {
                let read = Read::of(message)?;
                self.keep(read);
            }
            let queue = &self.partitions[index];
            if !queue.ahead.is_empty() || last <= queue.last {
                return Ok(());
            }
            let read = tokio::select! {
                biased;
                message = self.stream.recv() => Read::of(message)?,
                message = queue.queue.recv() => Read::of(message)?,
                () = tokio::time::sleep_until(deadline) => return self.end(index, last).await,
            };
            self.keep(read);
        }
    }

    /// A partition gives nothing more though it should: right where the brokers do not keep everything and have given what they have.
    async fn end(&mut self, index: usize, last: i64) -> Result<()> {
        let stream = Arc::clone(&self.stream);
        let queue = &mut self.partitions[index];
        let (topic, partition) = queue.partition.clone();
        let (first, next) = ask(move || stream.fetch_watermarks(&topic, partition, PATIENCE)).await?;
        if !self.keeps_all && next <= queue.next_offset.max(first) {
            queue.last = last;
            return Ok(());
        }
        let (topic, partition) = &queue.partition;
        let detail = format!("Kafka does not have what partition {partition} of {topic} should have");
        Err(Error::new(&codes::UNAVAILABLE, detail))
    }

    /// Keeps an event unless it was sent before: positions rise. What is no event went to the dead letters.
    fn keep(&mut self, read: Read) {
        let mut queues = self.partitions.iter_mut();
        let Some(queue) = queues.find(|queue| queue.partition == read.partition) else {
            return;
        };
        queue.next_offset = read.offset + 1;
        if let Some(event) = read.event
            && queue.last < event.position
        {
            queue.last = event.position;
            queue.ahead.push_back(event);
        }
    }
}

/// A message: where it is, and its event, if it is one.
struct Read {
    partition: Partition,
    offset: i64,
    event: Option<Event>,
}

impl Read {
    fn of(message: KafkaResult<BorrowedMessage<'_>>) -> Result<Self> {
        let message = message.map_err(unavailable)?;
        Ok(Self {
            partition: (message.topic().to_owned(), message.partition()),
            offset: message.offset(),
            event: record::event(&message).ok(),
        })
    }
}
