//! An operation, over and over by a few at once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::future::try_join_all;
use smartcourse_tests::measure::Outcome;

/// How many are at it at once.
pub(crate) const AT_ONCE: usize = 8;
/// For how long.
pub(crate) const WINDOW: Duration = Duration::from_secs(5);

/// Runs an operation, which is told how many were begun before.
pub(crate) async fn run<F>(operation: impl Fn(u64) -> F + Send + Sync + 'static) -> Result<Outcome>
where
    F: Future<Output = Result<()>> + Send,
{
    let (operation, begun) = (Arc::new(operation), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let workers = (0..AT_ONCE).map(|_| {
        let (operation, begun) = (Arc::clone(&operation), Arc::clone(&begun));
        let worker = async move {
            let mut times = Vec::new();
            while start.elapsed() < WINDOW {
                let begin = Instant::now();
                operation(begun.fetch_add(1, Relaxed)).await?;
                times.push(begin.elapsed());
            }
            anyhow::Ok(times)
        };
        async { tokio::spawn(worker).await? }
    });
    let times = try_join_all(workers).await?.concat();
    Ok(Outcome::of(times, start.elapsed()))
}
