//! The log in Kafka from its first event, and what goes from the table behind it.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use futures::FutureExt as _;
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{
        Consumer as _, DefaultConsumerContext, StreamConsumer, stream_consumer::StreamPartitionQueue,
    },
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
    place::{Partition, Place},
    record,
};
use crate::servers::kafka::{Kafka, PATIENCE, unavailable};

/// How long the table keeps an event that all groups were given: whoever looks into what has just happened looks there.
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
                         and not exists (select from platform.parked_events p where p.event_id = e.id) limit $2)",
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

struct Reader {
    stream: Arc<StreamConsumer>,
    partitions: Vec<Queue>,
}

/// A partition that is read from its beginning.
struct Queue {
    partition: Partition,
    queue: StreamPartitionQueue<DefaultConsumerContext>,
    ahead: VecDeque<Event>,
    /// Position of the last event that was read.
    last: i64,
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
            }),
        };
        reader.open(ends.iter().map(|(partition, _)| partition))?;
        // Up to where each partition is given, and up to where it is read for that.
        let bounds = reader.partitions.iter().map(|queue| {
            let reached = place.reached(&queue.partition);
            let end = ends.iter().find(|(partition, _)| *partition == queue.partition);
            // There is an event with the position of the end, and one with that of the group's place in the partition. If the
            // group was given more by another way, one that is beyond it comes before the end.
            let last = end.map_or(reached, |(_, end)| place.in_partition(&queue.partition).max(*end));
            (reached, reached.min(last))
        });
        let bounds: Vec<(i64, i64)> = bounds.collect();
        let mut events = Vec::new();
        while events.len() < limit {
            let mut first: Option<usize> = None;
            for (index, (reached, last)) in bounds.iter().enumerate() {
                let queue = &reader.partitions[index];
                if queue.ahead.is_empty() && queue.last < *last {
                    reader.read_on(index).await?;
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
        let known =
            |partition: &&Partition| self.partitions.iter().all(|queue| queue.partition != **partition);
        let new: Vec<&Partition> = partitions.filter(known).collect();
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
            });
        }
        Ok(())
    }

    /// Waits for events of a partition, and reads those that are there.
    async fn read_on(&mut self, index: usize) -> Result<()> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.partitions[index].ahead.is_empty() {
            let queue = &self.partitions[index].queue;
            // What came before the queues were split has come by the common one.
            let (partition, event) = tokio::select! {
                biased;
                message = self.stream.recv() => read(message)?,
                message = queue.recv() => read(message)?,
                () = tokio::time::sleep_until(deadline) => {
                    let (topic, partition) = &self.partitions[index].partition;
                    let detail = format!("Kafka does not have what partition {partition} of {topic} should have");
                    return Err(Error::new(&codes::UNAVAILABLE, detail));
                }
            };
            self.keep(&partition, event);
        }
        while self.partitions[index].ahead.len() < AHEAD
            && let Some(message) = self.partitions[index].queue.recv().now_or_never()
        {
            let (partition, event) = read(message)?;
            self.keep(&partition, event);
        }
        Ok(())
    }

    /// Keeps an event unless it was sent before: positions rise. What is no event went to the dead letters.
    fn keep(&mut self, partition: &Partition, event: Option<Event>) {
        let queue = self
            .partitions
            .iter_mut()
            .find(|queue| queue.partition == *partition);
        if let (Some(queue), Some(event)) = (queue, event)
            && queue.last < event.position
        {
            queue.last = event.position;
            queue.ahead.push_back(event);
        }
    }
}

/// Where a message is, and its event, if it is one.
fn read(message: KafkaResult<BorrowedMessage<'_>>) -> Result<(Partition, Option<Event>)> {
    let message = message.map_err(unavailable)?;
    let partition = (message.topic().to_owned(), message.partition());
    Ok((partition, record::event(&message).ok()))
}
