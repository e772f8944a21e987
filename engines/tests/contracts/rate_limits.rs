//! The contract of the rate limit port.

use std::{num::NonZeroU32, time::Duration};

use smartcourse_platform::ports::rate_limits::{Quota, RateLimits};
use smartcourse_tests::wait_for;

pub(crate) fn quota(per_second: u32, burst: u32) -> Quota {
    Quota {
        per_second: NonZeroU32::new(per_second).unwrap(),
        burst: NonZeroU32::new(burst).unwrap(),
    }
}

pub(crate) async fn rate_limits_contract(limits: &dyn RateLimits) {
    let slow = quota(1, 3);
    for left in [2, 1, 0] {
        let taken = limits.take("a", slow).await.unwrap();
        assert_eq!((taken.remaining, taken.retry_after), (left, None));
    }
    let refused = limits.take("a", slow).await.unwrap();
    assert_eq!(refused.remaining, 0);
    let wait = refused.retry_after.unwrap();
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_secs(1),
        "{wait:?}"
    );
    let other = limits.take("b", slow).await.unwrap();
    assert_eq!(other.remaining, 2, "others are not affected");
    let sized = limits.take("a", quota(1, 5)).await.unwrap();
    assert_eq!(sized.remaining, 4, "another quota is another bucket");
    wait_for("a bucket to fill again", async || -> anyhow::Result<_> {
        let taken = limits.take("a", slow).await?;
        Ok(taken.retry_after.map_or(Ok(()), |wait| Err(format!("{wait:?}"))))
    })
    .await
    .unwrap();
}
