//! Shared reads in Redis. A generation is a name of its own and no count: one that was lost, evicted or written late never makes
//! an earlier one come back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use redis::FromRedisValue;
use smartcourse_platform::ports::shared_reads::SharedReads;
use uuid::Uuid;

use crate::servers::redis::Redis as Connection;

/// Shared reads in Redis.
pub struct Redis {
    connection: Connection,
    /// How often a new generation of a topic could not be told since the last that was.
    untold: Mutex<HashMap<String, u64>>,
}

impl Redis {
    /// Over a connection.
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            untold: Mutex::default(),
        }
    }

    /// What a command answers; without an answer in time it is as if nothing were known.
    async fn ask<T: FromRedisValue + Send + 'static>(&self, command: redis::Cmd) -> Option<T> {
        let asked = self
            .connection
            .ask(|mut connection| async move { command.query_async::<T>(&mut connection).await });
        match asked.await {
            Ok(answer) => Some(answer),
            Err(error) => {
                tracing::debug!(error = %error.chain(), "reads are not shared");
                None
            }
        }
    }

    fn untold(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn value(&self, key: &str) -> String {
        self.connection.called(&format!("read:{key}"))
    }

    fn topic(&self, topic: &str) -> String {
        self.connection.called(&format!("generation:{topic}"))
    }

    /// Begins a generation and tells it.
    async fn begin(&self, topic: &str) -> Option<String> {
        let untold = self.untold().get(topic).copied();
        let generation = Uuid::now_v7().simple().to_string();
        let told = self
            .ask::<()>(redis::Cmd::set(self.topic(topic), &generation))
            .await;
        let mut all = self.untold();
        if told.is_none() {
            *all.entry(topic.to_owned()).or_default() += 1;
        } else if all.get(topic).copied() == untold {
            // What could not be told meanwhile may have come after this one.
            all.remove(topic);
        }
        told.map(|()| generation)
    }
}

#[async_trait]
impl SharedReads for Redis {
    async fn get(&self, key: &str) -> Option<Bytes> {
        let found = self.ask::<Option<Vec<u8>>>(redis::Cmd::get(self.value(key)));
        found.await.flatten().map(Bytes::from)
    }

    async fn put(&self, key: &str, value: Bytes, lifetime: Duration) {
        let mut put = redis::cmd("SET");
        put.arg(self.value(key)).arg(&value[..]).arg("PX");
        put.arg(lifetime.as_millis().max(1) as u64);
        self.ask::<()>(put).await;
    }

    async fn generation(&self, topic: &str) -> Option<String> {
        let untold = self.untold().contains_key(topic);
        if !untold
            && let Some(known) = self
                .ask::<Option<String>>(redis::Cmd::get(self.topic(topic)))
                .await?
        {
            return Some(known);
        }
        self.begin(topic).await
    }

    async fn advance(&self, topic: &str) {
        self.begin(topic).await;
    }
}
