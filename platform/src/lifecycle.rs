//! Graceful stop: one token tells everybody to finish, a tracker knows when they have.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long in-flight work may take to finish after a stop was asked for.
pub const GRACE: Duration = Duration::from_secs(10);

/// The life of one process: hand clones to everything that runs.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
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
