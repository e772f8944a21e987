//! What a group could not take, for whoever follows its topic: the message, the group and the reason.

use std::{sync::OnceLock, time::Duration};

use rdkafka::{
    Message as _,
    message::{Header, OwnedHeaders, OwnedMessage},
    producer::FutureRecord,
};
use smartcourse_platform::{Error, Result, events::Event};

use super::record;
use crate::servers::kafka::{Kafka, PATIENCE, Producer, unavailable};

/// Bytes of a reason at most: an error may tell a whole text.
const MAX_REASON: usize = 4096;

/// The topics of what could not be taken.
pub(super) struct DeadLetters {
    kafka: Kafka,
    producer: OnceLock<Producer>,
}

impl DeadLetters {
    /// Connects when something is first put.
    pub(super) fn new(kafka: Kafka) -> Self {
        Self {
            kafka,
            producer: OnceLock::new(),
        }
    }

    /// Puts an event; returns once the brokers have it.
    pub(super) async fn put(&self, group: &str, event: &Event, reason: &Error) -> Result<()> {
        let payload = event.payload.to_string();
        let headers = record::headers(event)?;
        self.send(
            group,
            Some(event.key.as_bytes()),
            payload.as_bytes(),
            headers,
            &reason.chain(),
        )
        .await
    }

    /// Puts a message as it came.
    pub(super) async fn put_message(&self, group: &str, message: &OwnedMessage, reason: &str) -> Result<()> {
        let headers = message.headers().cloned().unwrap_or_default();
        let payload = message.payload().unwrap_or_default();
        self.send(group, message.key(), payload, headers, reason).await
    }

    async fn send(
        &self,
        group: &str,
        key: Option<&[u8]>,
        payload: &[u8],
        headers: OwnedHeaders,
        reason: &str,
    ) -> Result<()> {
        let producer = match self.producer.get() {
            Some(producer) => producer,
            None => {
                let made = self.kafka.producer(PATIENCE)?;
                self.producer.get_or_init(|| made)
            }
        };
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        let told = [("group", group), ("reason", reason)].map(|(key, value)| Header {
            key,
            value: Some(value),
        });
        let topic = self.kafka.dead_letters(group);
        let headers = told.into_iter().fold(headers, OwnedHeaders::insert);
        let mut record = FutureRecord::to(&topic).payload(payload).headers(headers);
        record.key = key;
        let sent = producer.send(record, Duration::ZERO).await;
        sent.map(drop).map_err(|(error, _)| unavailable(error))
    }
}
