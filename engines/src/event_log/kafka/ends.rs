//! What the brokers have last in each partition.

use std::sync::Arc;

use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{Consumer as _, StreamConsumer},
};
use smartcourse_platform::{Error, Result, error::codes};

use super::{offsets::Partition, record};
use crate::servers::kafka::{Kafka, PATIENCE, ask, let_go, unavailable};

/// The last event of each partition that has one, and its position.
pub(super) async fn ends(kafka: &Kafka) -> Result<Vec<(Partition, i64)>> {
    let reader = Arc::new(kafka.reader()?);
    let found = tokio::time::timeout(PATIENCE, last(kafka, &reader)).await;
    let_go(reader);
    found.unwrap_or_else(|_| {
        let detail = "Kafka does not show the last events it has";
        Err(Error::new(&codes::UNAVAILABLE, detail))
    })
}

async fn last(kafka: &Kafka, reader: &Arc<StreamConsumer>) -> Result<Vec<(Partition, i64)>> {
    let topics = kafka.topics();
    let asked = Arc::clone(reader);
    let last = ask(move || {
        let mut last = TopicPartitionList::new();
        for topic in &topics {
            let found = asked.fetch_metadata(Some(topic), PATIENCE)?;
            let partitions = found.topics().iter().flat_map(|topic| topic.partitions());
            for partition in partitions.map(|partition| partition.id()) {
                let (low, next) = asked.fetch_watermarks(topic, partition, PATIENCE)?;
                if low < next {
                    last.add_partition_offset(topic, partition, Offset::Offset(next - 1))?;
                }
            }
        }
        Ok(last)
    })
    .await?;
    reader.assign(&last).map_err(unavailable)?;
    let mut ends = Vec::new();
    let mut left = last.count();
    while left > 0 {
        let message = reader.recv().await.map_err(unavailable)?;
        let partition = (message.topic().to_owned(), message.partition());
        // One that has just come may follow the last.
        if ends.iter().any(|(known, _)| *known == partition) {
            continue;
        }
        left -= 1;
        if let Ok(event) = record::event(&message) {
            ends.push((partition, event.position));
        }
    }
    Ok(ends)
}
