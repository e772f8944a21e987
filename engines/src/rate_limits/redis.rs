//! Rate limits in Redis: all gateways take from the same buckets, and none takes what is not there.
//!
//! A bucket is the time at which it will be full again, its theoretical arrival time (generic cell rate algorithm, ATM Forum
//! Traffic Management 4.0, 4.4.2), read and moved by one script on the server's clock. While the server does not answer, each
//! process has buckets of its own.

use std::{sync::LazyLock, time::Duration};

use async_trait::async_trait;
use redis::Script;
use smartcourse_platform::{
    Result,
    ports::rate_limits::{Quota, RateLimits, Taken},
};

use super::in_process::InProcess;
use crate::servers::redis::Redis as Connection;

/// Takes a request: how many are left, or -1, and the microseconds until there is one. Times are microseconds, which numbers of
/// Lua hold to a quarter. A clock that was set back leaves no bucket emptier than empty.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local time = redis.call('TIME')
         local now = time[1] * 1000000 + time[2]
         local pace, burst = 1000000 / ARGV[1], tonumber(ARGV[2])
         local known = tonumber(redis.call('GET', KEYS[1]) or 0)
         local full = math.min(math.max(now, known), now + burst * pace) + pace
         local wait = full - burst * pace - now
         if wait > 0 then return {-1, math.ceil(wait)} end
         redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
         return {math.floor((1 - wait) / pace), 0}",
    )
});

/// Buckets in Redis.
pub struct Redis {
    connection: Connection,
    own: InProcess,
}

impl Redis {
    /// Over a connection.
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            own: InProcess::default(),
        }
    }
}

#[async_trait]
impl RateLimits for Redis {
    async fn take(&self, bucket: &str, quota: Quota) -> Result<Taken> {
        let (rate, burst) = (quota.per_second.get(), quota.burst.get());
        let key = self.connection.called(&format!("bucket:{rate}:{burst}:{bucket}"));
        let taken = self.connection.ask(move |mut connection| async move {
            let mut take = TAKE.key(key);
            take.arg(rate).arg(burst);
            take.invoke_async::<(i64, u64)>(&mut connection).await
        });
        match taken.await {
            Ok((remaining, wait)) => Ok(Taken {
                remaining: u32::try_from(remaining).unwrap_or(0),
                retry_after: (wait > 0).then(|| Duration::from_micros(wait)),
            }),
            Err(_) => self.own.take(bucket, quota).await,
        }
    }
}
