//! Reading through [`SharedReads`]: what one process has read, others need not read again for a while.
//!
//! What is kept must never change under its key. What changes is kept under the generation of its topic: it is found only by
//! those who know of no change, and whoever makes one begins a new generation after the commit and before the answer. A reader
//! asks for the generation first, so what it read before a change stays with the generation of before.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use moka::future::Cache;
use prost::Message;
use smartcourse_telemetry::catalogue::CACHE_READS;

use crate::{
    error::{Error, Result},
    ports::shared_reads::SharedReads,
};

/// Bytes of the largest value that is kept: others wait behind it on the way.
const LARGEST: usize = 1 << 20;
/// How long a read is held for those who found nothing while it was under way.
const MOMENT: Duration = Duration::from_secs(1);
/// Bytes held for that moment.
const HELD: u64 = 16 << 20;

/// Messages that processes share.
pub struct ReadThrough {
    shared: Arc<dyn SharedReads>,
    under_way: Cache<String, Bytes>,
}

impl ReadThrough {
    /// Over what processes share.
    pub fn new(shared: Arc<dyn SharedReads>) -> Self {
        let held = Cache::builder()
            .time_to_live(MOMENT)
            .max_capacity(HELD)
            .weigher(|_, value: &Bytes| u32::try_from(value.len()).unwrap_or(u32::MAX));
        Self {
            shared,
            under_way: held.build(),
        }
    }

    /// What never changes under its key: as it was kept, else as it is loaded, once for all who ask at that time. It is
    /// kept for about `lifetime`. Fails as loading does, which is not kept; who shared the load gets its error without the
    /// cause, which was the loader's to log.
    pub async fn read<M: Message + Default>(
        &self,
        key: &str,
        lifetime: Duration,
        load: impl Future<Output = Result<M>> + Send,
    ) -> Result<M> {
        // What another release has written may lack what this one knows of.
        let key = format!(concat!(env!("CARGO_PKG_VERSION"), ":{}"), key);
        if let Some(kept) = self.shared.get(&key).await {
            match M::decode(kept) {
                Ok(message) => {
                    count("hit");
                    return Ok(message);
                }
                Err(error) => tracing::warn!(%error, key, "what was kept cannot be read"),
            }
        }
        count("miss");
        let mut failed = None;
        let load = async {
            let message = load.await.map_err(|error| failed.insert(error).without_cause())?;
            let value = Bytes::from(message.encode_to_vec());
            if value.len() <= LARGEST {
                let (shared, key, value) = (Arc::clone(&self.shared), key.clone(), value.clone());
                // Nobody waits for it.
                tokio::spawn(async move { shared.put(&key, value, jittered(lifetime)).await });
            }
            Ok(value)
        };
        let loaded: Result<Bytes, Arc<Error>> = self.under_way.try_get_with_by_ref(&key, load).await;
        let value = loaded.map_err(|shared| failed.unwrap_or_else(|| shared.without_cause()))?;
        M::decode(value).map_err(|error| Error::internal("a message cannot be read").because(error))
    }

    /// What changes with its topic, as [`read`](Self::read) within one generation; just loaded when nobody knows of one.
    pub async fn read_of<M: Message + Default>(
        &self,
        topic: &str,
        key: &str,
        lifetime: Duration,
        load: impl Future<Output = Result<M>> + Send,
    ) -> Result<M> {
        match self.shared.generation(topic).await {
            Some(generation) => {
                let key = format!("{topic}:{generation}:{key}");
                self.read(&key, lifetime, load).await
            }
            None => load.await,
        }
    }

    /// What belongs to the topic has changed: to be told after the commit and before the answer, again when that is repeated.
    pub async fn changed(&self, topic: &str) {
        self.shared.advance(topic).await;
    }
}

fn count(outcome: &str) {
    CACHE_READS.add(1, ["shared_reads", outcome]);
}

/// A tenth more or less, so that what was kept at one time is not read anew at one time.
fn jittered(lifetime: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) as f64 / u64::MAX as f64;
    lifetime.mul_f64(0.9 + 0.2 * random)
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        sync::{
            Mutex,
            atomic::{AtomicU32, Ordering::SeqCst},
        },
    };

    use async_trait::async_trait;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::error::codes;

    /// Keeps everything, and each topic in generation 1, 2, …; or knows of none.
    #[derive(Default)]
    struct Kept {
        values: Mutex<HashMap<String, (Bytes, Duration)>>,
        generation: AtomicU32,
        alone: bool,
    }

    #[async_trait]
    impl SharedReads for Kept {
        async fn get(&self, key: &str) -> Option<Bytes> {
            let values = self.values.lock().expect("whole");
            values.get(key).map(|(value, _)| value.clone())
        }

        async fn put(&self, key: &str, value: Bytes, lifetime: Duration) {
            let mut values = self.values.lock().expect("whole");
            values.insert(key.to_owned(), (value, lifetime));
        }

        async fn generation(&self, _: &str) -> Option<String> {
            (!self.alone).then(|| self.generation.load(SeqCst).to_string())
        }

        async fn advance(&self, _: &str) {
            self.generation.fetch_add(1, SeqCst);
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);

    /// Waits for what is put while nobody waits.
    async fn kept(shared: &Kept, count: usize) {
        let all_there = async {
            while shared.values.lock().expect("whole").len() < count {
                tokio::task::yield_now().await;
            }
        };
        let within = Duration::from_secs(10);
        tokio::time::timeout(within, all_there).await.expect("it is kept");
    }

    async fn down() -> Result<u32> {
        let down = Error::new(&codes::UNAVAILABLE, "down").because(std::io::Error::other("no route"));
        Err(down)
    }

    async fn nobody() -> Result<u32> {
        panic!("it is kept")
    }

    #[tokio::test]
    async fn a_crowd_costs_one_load_and_other_processes_none() {
        let shared = Arc::new(Kept::default());
        let reads = Arc::new(ReadThrough::new(shared.clone()));
        let (loads, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let crowd: Vec<_> = (0..50)
            .map(|_| {
                let (reads, loads, gate) = (Arc::clone(&reads), Arc::clone(&loads), Arc::clone(&gate));
                tokio::spawn(async move {
                    let load = async {
                        loads.fetch_add(1, SeqCst);
                        gate.acquire().await.expect("open").forget();
                        Ok(7_u32)
                    };
                    reads.read("a", HOUR, load).await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        gate.add_permits(50);
        for reader in crowd {
            assert_eq!(reader.await.expect("runs").expect("reads"), 7);
        }
        assert_eq!(loads.load(SeqCst), 1);
        kept(&shared, 1).await;
        let elsewhere = ReadThrough::new(shared);
        assert_eq!(elsewhere.read("a", HOUR, nobody()).await.expect("reads"), 7);
    }

    #[tokio::test]
    async fn a_failure_is_told_with_its_cause_and_not_kept() {
        let reads = ReadThrough::new(Arc::new(Kept::default()));
        let failed = reads.read("a", HOUR, down()).await.expect_err("down");
        assert!(failed.chain().contains("no route"), "{}", failed.chain());
        assert_eq!(
            reads.read("a", HOUR, async { Ok(7_u32) }).await.expect("reads"),
            7
        );
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_loaded_again() {
        let shared = Arc::new(Kept::default());
        let reads = || ReadThrough::new(shared.clone());
        reads().read("a", HOUR, async { Ok(7_u32) }).await.expect("reads");
        kept(&shared, 1).await;
        for (value, _) in shared.values.lock().expect("whole").values_mut() {
            *value = Bytes::from_static(b"\xff\xff\xff");
        }
        assert_eq!(
            reads().read("a", HOUR, async { Ok(8_u32) }).await.expect("reads"),
            8
        );
    }

    #[tokio::test]
    async fn what_changed_is_not_asked_for_again() {
        let reads = ReadThrough::new(Arc::new(Kept::default()));
        let read = async |load: u32| {
            reads
                .read_of("t", "a", HOUR, async { Ok(load) })
                .await
                .expect("reads")
        };
        assert_eq!((read(1).await, read(2).await), (1, 1));
        // Who has asked before the change reads what was before, which nobody is told who asks after it.
        let late = reads.read_of("t", "b", HOUR, async {
            reads.changed("t").await;
            Ok(1_u32)
        });
        assert_eq!(late.await.expect("reads"), 1);
        let after = reads.read_of("t", "b", HOUR, async { Ok(2_u32) });
        assert_eq!((after.await.expect("reads"), read(3).await), (2, 3));
    }

    #[tokio::test]
    async fn without_generations_each_reads_for_himself() {
        let shared = Kept {
            alone: true,
            ..Kept::default()
        };
        let reads = ReadThrough::new(Arc::new(shared));
        for number in 1..4_u32 {
            let read = reads.read_of("t", "a", HOUR, async { Ok(number) });
            assert_eq!(read.await.expect("reads"), number);
        }
    }

    #[tokio::test]
    async fn lifetimes_differ_by_a_tenth_and_the_largest_are_not_kept() {
        let shared = Arc::new(Kept::default());
        let reads = ReadThrough::new(shared.clone());
        let large = "x".repeat(LARGEST + 1);
        let read = reads.read("large", HOUR, async { Ok(large.clone()) });
        assert!(read.await.expect("reads") == large);
        for number in 0..100_u32 {
            let key = number.to_string();
            let read = reads.read(&key, HOUR, async { Ok(number) });
            assert_eq!(read.await.expect("reads"), number);
        }
        kept(&shared, 100).await;
        let values = shared.values.lock().expect("whole");
        let lifetimes: Vec<f64> = values
            .values()
            .map(|(_, kept)| kept.div_duration_f64(HOUR))
            .collect();
        assert_eq!(lifetimes.len(), 100);
        assert!(
            lifetimes.iter().all(|share| (0.9..=1.1).contains(share)),
            "{lifetimes:?}"
        );
        let below = lifetimes.iter().filter(|share| **share < 1.0).count();
        assert!((10..=90).contains(&below), "{lifetimes:?}");
    }
}
