//! Reads of one thing that come while another read of it is under way share the next one.
//!
//! An answer is never older than its request: a read is shared only by those who asked before it began. So this is no
//! cache – a lone reader reads for himself, and a crowd costs one read after the other instead of one each.

use std::{
    future::Future,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tokio::sync::Mutex;

use crate::error::{Error, Result};

/// Keys that are kept; one that is forgotten too early costs a read.
const KEYS: u64 = 10_000;

/// The reads of things of one kind.
pub struct Coalesce<K, V>(moka::future::Cache<K, Arc<Place<V>>>);

struct Place<V> {
    /// Reads that have begun.
    begun: AtomicU64,
    /// Held while a read is under way; then its number and what it found.
    latest: Mutex<(u64, Option<Result<V>>)>,
}

impl<K, V> Default for Coalesce<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self(moka::future::Cache::new(KEYS))
    }
}

impl<K, V> Coalesce<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// What a read found that began after this call. Who shares a failed one gets its error without the cause, which
    /// was the reader's to log.
    pub async fn read(&self, key: K, read: impl Future<Output = Result<V>>) -> Result<V> {
        let place = async {
            Arc::new(Place {
                begun: AtomicU64::new(0),
                latest: Mutex::new((0, None)),
            })
        };
        let place = self.0.get_with(key, place).await;
        let asked = place.begun.load(SeqCst);
        let mut latest = place.latest.lock().await;
        if latest.0 > asked
            && let Some(found) = &latest.1
        {
            return copy(found);
        }
        let number = place.begun.fetch_add(1, SeqCst) + 1;
        let found = read.await;
        *latest = (number, Some(copy(&found)));
        found
    }
}

fn copy<V: Clone>(found: &Result<V>) -> Result<V> {
    found.as_ref().cloned().map_err(Error::without_cause)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;

    use super::*;
    use crate::error::codes;

    #[tokio::test]
    async fn a_crowd_shares_reads_that_began_after_it_asked() {
        let reads = Arc::new(Coalesce::<i64, u32>::default());
        let (count, gate) = (Arc::new(AtomicU32::new(0)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (reads, count, gate) = (Arc::clone(&reads), Arc::clone(&count), Arc::clone(&gate));
            tokio::spawn(async move {
                let read = async {
                    let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                    gate.acquire().await.expect("open").forget();
                    Ok(number)
                };
                reads.read(7, read).await
            })
        };
        let first = ask();
        while count.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        // These ask while the first read is under way: it may be older than what they want to know.
        let crowd: Vec<_> = (0..50).map(|_| ask()).collect();
        tokio::task::yield_now().await;
        gate.add_permits(2);
        assert_eq!(first.await.expect("runs").expect("reads"), 1);
        for reader in crowd {
            assert_eq!(reader.await.expect("runs").expect("reads"), 2);
        }
    }

    #[tokio::test]
    async fn one_after_the_other_each_reads() {
        let reads = Coalesce::<i64, u32>::default();
        for number in 1..4 {
            assert_eq!(reads.read(7, async { Ok(number) }).await.expect("reads"), number);
        }
        let failed = reads
            .read(7, async { Err(Error::new(&codes::UNAVAILABLE, "down")) })
            .await;
        assert!(failed.is_err_and(|error| error.is(&codes::UNAVAILABLE)));
        assert_eq!(reads.read(7, async { Ok(9) }).await.expect("reads"), 9);
    }
}
