//! Waiting for a condition, with the last thing seen in the message when it never came true.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often the condition is checked.
const INTERVAL: Duration = Duration::from_millis(50);

/// What one check of a condition found.
#[derive(Debug)]
pub enum Check<T> {
    /// The condition holds.
    Ready(T),
    /// It does not hold yet, and this is how things stand; the last one goes into the time-out message.
    NotYet(String),
}

/// Checks a condition until it holds, an error ends the wait, or `deadline` has passed. `what` is what is waited for, such
/// as "PostgreSQL accepting connections".
pub async fn wait_until<T, F, Fut>(what: &str, deadline: Duration, mut check: F) -> anyhow::Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = anyhow::Result<Check<T>>>,
{
    let started = Instant::now();
    loop {
        match check().await? {
            Check::Ready(value) => return Ok(value),
            Check::NotYet(status) if started.elapsed() >= deadline => {
                anyhow::bail!(
                    "waited {} s for {what}; last status: {status}",
                    deadline.as_secs_f32()
                )
            }
            Check::NotYet(_) => tokio::time::sleep(INTERVAL).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_out_names_the_last_status() {
        let mut checks = 0;
        let error = wait_until::<(), _, _>("the moon", Duration::from_millis(120), || {
            checks += 1;
            let status = format!("check {checks}");
            async move { Ok(Check::NotYet(status)) }
        })
        .await
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("the moon") && error.contains("last status: check"),
            "{error}"
        );
    }
}
