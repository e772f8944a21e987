//! Reads of different things of one kind that come together are one read of them all.
//!
//! Whoever finds no read under way reads at once and alone, without a hop to another task. Those who come meanwhile wait, and
//! the first of them reads for all of them next. An answer is therefore never older than its request: this is no cache.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::error::Result;

/// Things of one read, at most.
const MOST: usize = 100;

/// The reads of things of one kind.
pub struct Batch<K, V> {
    waiting: Mutex<Vec<Waiting<K, V>>>,
    /// Held by whoever reads.
    turn: tokio::sync::Mutex<()>,
}

struct Waiting<K, V> {
    key: K,
    /// Dropped without an answer when whoever reads for this one was cancelled.
    answer: oneshot::Sender<Result<Option<V>>>,
}

impl<K, V> Default for Batch<K, V> {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Batch<K, V> {
    /// What a read found that began after this call; `None` when `load` did not name the key. Who shares a
    /// failed read gets its error without the cause, which was the reader's to log.
    pub async fn read<F>(&self, key: K, load: impl Fn(Vec<K>) -> F) -> Result<Option<V>>
    where
        F: Future<Output = Result<HashMap<K, V>>>,
    {
        loop {
            let (answer, mut answered) = oneshot::channel();
            self.waiting().push(Waiting {
                key: key.clone(),
                answer,
            });
            let _turn = tokio::select! {
                biased;
                found = &mut answered => match found {
                    Ok(found) => return found,
                    Err(_) => continue,
                },
                turn = self.turn.lock() => turn,
            };
            // As many rounds as it takes until this one's turn has come: others may stand before it.
            loop {
                match answered.try_recv() {
                    Ok(found) => return found,
                    Err(TryRecvError::Closed) => break,
                    Err(TryRecvError::Empty) => self.round(&key, &load).await?,
                }
            }
        }
    }

    /// Reads for those who wait longest. The reader gets an error as it is, the others a copy.
    async fn round<F>(&self, own: &K, load: &impl Fn(Vec<K>) -> F) -> Result<()>
    where
        F: Future<Output = Result<HashMap<K, V>>>,
    {
        let taken: Vec<_> = {
            let mut waiting = self.waiting();
            // Some were cancelled while they waited.
            waiting.retain(|waiting| !waiting.answer.is_closed());
            let count = waiting.len().min(MOST);
            waiting.drain(..count).collect()
        };
        let keys: HashSet<K> = taken.iter().map(|waiting| waiting.key.clone()).collect();
        let concerns_own = keys.contains(own);
        let found = load(keys.into_iter().collect()).await;
        for Waiting { key, answer } in taken {
            let value = match &found {
                Ok(found) => Ok(found.get(&key).cloned()),
                Err(error) => Err(error.without_cause()),
            };
            // Who does not wait any more needs no answer.
            drop(answer.send(value));
        }
        match found {
            Err(error) if concerns_own => Err(error),
            Err(error) => {
                tracing::warn!(error = %error.chain(), "a read for others failed");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<K, V>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::{sync::Semaphore, task::JoinHandle};

    use super::*;
    use crate::error::{Error, codes};

    /// Things whose value is ten times their key; odd ones do not exist. Each load waits to be let through.
    struct House {
        batch: Batch<i64, i64>,
        loads: Mutex<Vec<Vec<i64>>>,
        gate: Semaphore,
    }

    impl House {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                batch: Batch::default(),
                loads: Mutex::default(),
                gate: Semaphore::new(0),
            })
        }

        fn ask(self: &Arc<Self>, key: i64) -> JoinHandle<Result<Option<i64>>> {
            let house = Arc::clone(self);
            tokio::spawn(async move {
                house
                    .batch
                    .read(key, async |mut keys: Vec<i64>| {
                        keys.sort_unstable();
                        house.loads.lock().expect("alone").push(keys.clone());
                        house.gate.acquire().await.expect("open").forget();
                        if keys.contains(&666) {
                            return Err(Error::new(&codes::UNAVAILABLE, "down").because(std::fmt::Error));
                        }
                        let known = keys.into_iter().filter(|key| key % 2 == 0);
                        Ok(known.map(|key| (key, key * 10)).collect())
                    })
                    .await
            })
        }

        fn loads(&self) -> Vec<Vec<i64>> {
            self.loads.lock().expect("alone").clone()
        }

        /// Lets the other tasks go on until so many loads have begun.
        async fn begun(&self, count: usize) {
            while self.loads().len() < count {
                tokio::task::yield_now().await;
            }
            // Those who were asked before stand in line by now.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn a_crowd_is_one_read_after_the_one_under_way() {
        let house = House::new();
        let first = house.ask(2);
        house.begun(1).await;
        let crowd: Vec<_> = [4, 6, 4, 7].into_iter().map(|key| house.ask(key)).collect();
        house.begun(1).await;
        house.gate.add_permits(2);
        assert_eq!(first.await.expect("runs").expect("reads"), Some(20));
        let mut found = Vec::new();
        for reader in crowd {
            found.push(reader.await.expect("runs").expect("reads"));
        }
        assert_eq!(found, [Some(40), Some(60), Some(40), None]);
        assert_eq!(house.loads(), [vec![2], vec![4, 6, 7]]);
    }

    #[tokio::test]
    async fn one_after_the_other_each_reads() {
        let house = House::new();
        house.gate.add_permits(2);
        for _ in 0..2 {
            assert_eq!(house.ask(2).await.expect("runs").expect("reads"), Some(20));
        }
        assert_eq!(house.loads().len(), 2);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_and_is_over() {
        let house = House::new();
        let first = house.ask(2);
        house.begun(1).await;
        let crowd = [house.ask(666), house.ask(4)];
        house.begun(1).await;
        house.gate.add_permits(3);
        assert!(first.await.expect("runs").is_ok());
        for reader in crowd {
            let refused = reader.await.expect("runs");
            assert!(refused.is_err_and(|error| error.is(&codes::UNAVAILABLE)));
        }
        assert_eq!(house.ask(4).await.expect("runs").expect("reads"), Some(40));
    }

    #[tokio::test]
    async fn who_waits_for_a_reader_that_was_cancelled_reads_again() {
        let house = House::new();
        let first = house.ask(2);
        house.begun(1).await;
        let leader = house.ask(4);
        let follower = house.ask(6);
        house.begun(1).await;
        house.gate.add_permits(1);
        first.await.expect("runs").expect("reads");
        house.begun(2).await;
        leader.abort();
        house.gate.add_permits(2);
        assert_eq!(follower.await.expect("runs").expect("reads"), Some(60));
    }

    #[tokio::test]
    async fn more_than_one_read_can_take_are_several() {
        let house = House::new();
        let first = house.ask(2);
        house.begun(1).await;
        let crowd: Vec<_> = (0..250).map(|key| house.ask(key)).collect();
        house.begun(1).await;
        house.gate.add_permits(10);
        first.await.expect("runs").expect("reads");
        for (key, reader) in (0..).zip(crowd) {
            let expected = (key % 2 == 0).then_some(key * 10);
            assert_eq!(reader.await.expect("runs").expect("reads"), expected);
        }
        assert_eq!(house.loads().len(), 4);
    }
}
