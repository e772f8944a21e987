//! Where a member begins to read the partitions it is given: where the group's place in PostgreSQL says, and at their beginning where
//! it says nothing. The brokers are told the offsets too, for whoever looks there. They never count: brokers may still have the offset
//! of a topic that was lost, and what the topic was given anew would be passed over.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext, StreamConsumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};
use smartcourse_platform::Result;
use sqlx::PgPool;

use crate::servers::kafka::{Context, Kafka};

/// A topic and the number of one of its partitions.
pub(super) type Partition = (String, i32);

/// Reads as a member of a group.
pub(super) type Stream = StreamConsumer<Offsets>;

/// The offsets a group goes on from. One that is older than the truth costs reading what the group has had.
pub(super) struct Offsets(Mutex<HashMap<Partition, i64>>);

impl Offsets {
    /// The offsets are known from here on.
    pub(super) fn know(&self, offsets: impl IntoIterator<Item = (Partition, i64)>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(offsets);
    }

    /// Says of each of these partitions where to begin.
    fn place(&self, partitions: &mut TopicPartitionList) -> KafkaResult<()> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let given = partitions.elements();
        let given: Vec<Partition> = given
            .iter()
            .map(|given| (given.topic().to_owned(), given.partition()))
            .collect();
        for (topic, partition) in given {
            let next = known.get(&(topic.clone(), partition));
            let offset = next.map_or(Offset::Beginning, |next| Offset::Offset(*next));
            partitions.set_partition_offset(&topic, partition, offset)?;
        }
        Ok(())
    }
}

impl ClientContext for Offsets {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        Context.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Context.error(error, reason);
    }
}

impl ConsumerContext for Offsets {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        change: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let done = if change == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            self.place(partitions)
                .and_then(|()| consumer.incremental_assign(partitions))
        } else {
            consumer.incremental_unassign(partitions)
        };
        if let Err(error) = done {
            tracing::warn!(%error, "the partitions of a group could not be handed over");
        }
    }
}

/// A member of a group that goes on from where the group is.
pub(super) async fn member(kafka: &Kafka, pool: &PgPool, group: &str) -> Result<Stream> {
    let rows = sqlx::query!(
        r#"select topic, partition, next_offset as "next_offset!" from platform.group_partitions
           where group_name = $1 and next_offset is not null"#,
        group
    )
    .fetch_all(pool)
    .await?;
    let offsets = rows
        .into_iter()
        .map(|row| ((row.topic, row.partition), row.next_offset));
    kafka.member(group, Offsets(Mutex::new(offsets.collect())))
}
