//! What processes share, in the test.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use smartcourse_platform::ports::shared_reads::SharedReads;

/// Keeps everything, of generation 0, 1, ….
#[derive(Default)]
pub(crate) struct Kept {
    values: Mutex<HashMap<String, Bytes>>,
    generation: AtomicU32,
}

impl Kept {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.values.lock().unwrap().keys().cloned().collect()
    }
}

#[async_trait]
impl SharedReads for Kept {
    async fn get(&self, key: &str) -> Option<Bytes> {
        self.values.lock().unwrap().get(key).cloned()
    }

    async fn put(&self, key: &str, value: Bytes, _: Duration) {
        self.values.lock().unwrap().insert(key.to_owned(), value);
    }

    async fn generation(&self, _: &str) -> Option<String> {
        Some(self.generation.load(SeqCst).to_string())
    }

    async fn advance(&self, _: &str) {
        self.generation.fetch_add(1, SeqCst);
    }
}
