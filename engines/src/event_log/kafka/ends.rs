//! What the brokers have: how many partitions, and the last event of each.

use std::{collections::HashMap, sync::Arc};

use rdkafka::{Message as _, Offset, TopicPartitionList, consumer::Consumer as _};
use smartcourse_platform::{Error, Result, error::codes};

use super::{offsets::Partition, record};
use crate::servers::kafka::{Consumer, Kafka, PATIENCE, ask, let_go, unavailable};

/// The log as the brokers have it.
pub(super) struct Ends {
    /// How many partitions a topic has.
    pub(super) partitions: HashMap<String, usize>,
    /// The position of the last event of each partition that has one.
    pub(super) last: Vec<(Partition, i64)>,
}

/// Looks at every partition.
pub(super) async fn ends(kafka: &Kafka) -> Result<Ends> {
    let reader = Arc::new(kafka.reader()?);
    let found = tokio::time::timeout(PATIENCE, look(kafka, &reader)).await;
    let_go(reader);
    found.unwrap_or_else(|_| {
        let detail = "Kafka does not show the last events it has";
        Err(Error::new(&codes::UNAVAILABLE, detail))
    })
}

async fn look(kafka: &Kafka, reader: &Arc<Consumer>) -> Result<Ends> {
    let topics = kafka.topics();
    let asked = Arc::clone(reader);
    let (partitions, wanted) = ask(move || {
        let (mut counts, mut wanted) = (HashMap::new(), TopicPartitionList::new());
        for topic in topics {
            let found = asked.fetch_metadata(Some(&topic), PATIENCE)?;
            let partitions = found.topics().iter().flat_map(|topic| topic.partitions());
            let partitions: Vec<i32> = partitions.map(|partition| partition.id()).collect();
            for partition in &partitions {
                let (low, next) = asked.fetch_watermarks(&topic, *partition, PATIENCE)?;
                if low < next {
                    wanted.add_partition_offset(&topic, *partition, Offset::Offset(next - 1))?;
                }
            }
            counts.insert(topic, partitions.len());
        }
        Ok((counts, wanted))
    })
    .await?;
    reader.assign(&wanted).map_err(unavailable)?;
    let mut last = Vec::new();
    let mut left = wanted.count();
    while left > 0 {
        let message = reader.recv().await.map_err(unavailable)?;
        let partition = (message.topic().to_owned(), message.partition());
        // One that has just come may follow the last.
        if last.iter().any(|(known, _)| *known == partition) {
            continue;
        }
        left -= 1;
        if let Ok(event) = record::event(&message) {
            last.push((partition, event.position));
        }
    }
    Ok(Ends { partitions, last })
}
