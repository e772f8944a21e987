//! Graceful stop: one token tells everybody to finish, a tracker knows when they have.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long in-flight work may take to finish after a stop was asked for.
pub const GRACE: Duration = Duration::from_secs(10);

/// Work that has not gone on for this long stands still. Loops look again within seconds; a round may wait for a slow database.
const STILL: Duration = Duration::from_secs(30);

/// The life of one process: hand clones to everything that runs.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
    pulses: Arc<Mutex<Vec<Weak<Beat>>>>,
}

/// Something that goes on for as long as the process: it says so each time it has. Before the first time, and once it has not for
/// half a minute, the process is not ready.
#[derive(Debug)]
pub struct Pulse(Arc<Beat>);

#[derive(Debug)]
struct Beat {
    name: String,
    born: Instant,
    /// Milliseconds after birth, and one; 0 before the first.
    last: AtomicU64,
}

impl Pulse {
    /// It has gone on.
    pub fn beat(&self) {
        let now = u64::try_from(self.0.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(now.saturating_add(1), Ordering::Relaxed);
    }
}

impl Beat {
    fn stands_still(&self) -> bool {
        match self.last.load(Ordering::Relaxed) {
            0 => true,
            last => self.born.elapsed() > Duration::from_millis(last - 1) + STILL,
        }
    }
}

impl Lifecycle {
    /// A life that ends with Ctrl-C or SIGTERM. Fails when the operating system refuses the signal handlers.
    pub fn with_signals() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let life = Self::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = life.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping: in-flight work finishes first");
            stop.cancel();
        });
        Ok(life)
    }

    /// The pulse of something that goes on from now, until it is dropped.
    pub fn pulse(&self, name: &str) -> Pulse {
        let beat = Arc::new(Beat {
            name: name.to_owned(),
            born: Instant::now(),
            last: AtomicU64::new(0),
        });
        let mut pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        pulses.retain(|known| known.strong_count() > 0);
        pulses.push(Arc::downgrade(&beat));
        Pulse(beat)
    }

    /// What has not gone on for a while, by name.
    pub fn standing_still(&self) -> Vec<String> {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        let beats = pulses.iter().filter_map(Weak::upgrade);
        let still = beats.filter(|beat| beat.stands_still());
        still.map(|beat| beat.name.clone()).collect()
    }

    /// The token that is cancelled when the process should stop.
    pub fn token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Asks everything to stop.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Resolves when a stop was asked for.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Runs a task that is waited for at the end; a failure of a task that should live stops the process.
    pub fn spawn<F, E>(&self, name: &'static str, task: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            // The guard stops the process when the task panics, too: its supervisor starts it again.
            let guard = stop.drop_guard();
            match task.await {
                Ok(()) => drop(guard.disarm()),
                Err(error) => tracing::error!(task = name, %error, "task failed; stopping"),
            }
        });
    }

    /// Sleeps, unless the process stops first; false when it does.
    pub async fn sleep(&self, duration: Duration) -> bool {
        tokio::select! {
            () = tokio::time::sleep(duration) => true,
            () = self.stop.cancelled() => false,
        }
    }

    /// Waits for a stop, then up to [`GRACE`] for every task; false when some had to be left behind.
    pub async fn finished(&self) -> bool {
        self.stopping().await;
        self.tasks.close();
        tokio::time::timeout(GRACE, self.tasks.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_on_says_so() {
        let life = Lifecycle::default();
        let (first, second) = (life.pulse("first"), life.pulse("second"));
        assert_eq!(life.standing_still(), ["first", "second"]);
        first.beat();
        assert_eq!(life.clone().standing_still(), ["second"]);
        drop(second);
        assert!(life.standing_still().is_empty());
    }
}
