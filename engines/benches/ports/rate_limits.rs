//! Requests taken from the buckets of a hundred users, none of which runs dry.

use std::{num::NonZeroU32, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use smartcourse_platform::ports::rate_limits::Quota;
use smartcourse_tests::{TestServer, measure::Outcome};

use crate::{line_up::LineUp, load};

pub(crate) const OPERATIONS: [&str; 1] = ["rate limits: take"];
const BUCKETS: u64 = 100;
/// Milliseconds of a window of the bare client.
const WINDOW: i64 = 1_000;

/// Through the port.
pub(crate) async fn port(line_up: &LineUp) -> Result<Vec<Outcome>> {
    let limits = line_up.engines.rate_limits();
    let plenty = NonZeroU32::new(1_000_000).context("plenty")?;
    let quota = Quota {
        per_second: plenty,
        burst: plenty,
    };
    let take = load::run(move |number| {
        let limits = Arc::clone(&limits);
        async move {
            let taken = limits.take(&format!("user:{}", number % BUCKETS), quota).await?;
            ensure!(taken.retry_after.is_none(), "there is plenty");
            Ok(())
        }
    });
    Ok(vec![take.await?])
}

/// A counter of each window: less exact than a bucket, and nothing is simpler.
pub(crate) async fn bare(server: &TestServer) -> Result<Vec<Outcome>> {
    let client = redis::Client::open(server.variable("REDIS_URL"))?;
    let connection = client.get_multiplexed_async_connection().await?;
    let take = load::run(move |number| {
        let mut connection = connection.clone();
        async move {
            let key = format!("bare:{}", number % BUCKETS);
            let mut count = redis::pipe();
            count.incr(&key, 1).pexpire(&key, WINDOW);
            let (_taken, _kept): (i64, bool) = count.query_async(&mut connection).await?;
            Ok(())
        }
    });
    Ok(vec![take.await?])
}
