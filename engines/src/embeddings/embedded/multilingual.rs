//! The model for other languages than English, which is there when it is needed.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use smartcourse_minilm::MultilingualE5;
use smartcourse_platform::{Error, Result, ports::embeddings::Embedder};
use tokio::sync::Mutex;

use super::local;

/// After it could not be had it is tried again so much later.
const PAUSE: Duration = Duration::from_secs(600);

/// Fetches the file of the model into a directory, or says why it cannot.
pub type Fetch = Arc<dyn Fn(PathBuf) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// A model that is loaded, and fetched if it has to be, when it is first asked for.
pub(super) struct Multilingual {
    directory: PathBuf,
    fetch: Option<Fetch>,
    state: Mutex<State>,
}

enum State {
    NotAsked,
    Here(Arc<dyn Embedder>),
    Missing(Instant),
}

impl Multilingual {
    pub(super) fn new(directory: PathBuf, fetch: Option<Fetch>) -> Self {
        Self {
            directory,
            fetch,
            state: Mutex::new(State::NotAsked),
        }
    }

    /// The model; nothing, with a warning, when it cannot be had.
    pub(super) async fn get(&self) -> Option<Arc<dyn Embedder>> {
        // Whoever comes while it is fetched waits for it: a course is embedded with one model.
        let mut state = self.state.lock().await;
        match &*state {
            State::Here(model) => return Some(Arc::clone(model)),
            State::Missing(since) if since.elapsed() < PAUSE => return None,
            State::Missing(_) | State::NotAsked => {}
        }
        match self.load().await {
            Ok(model) => {
                *state = State::Here(Arc::clone(&model));
                Some(model)
            }
            Err(error) => {
                tracing::warn!(
                    error = %error.chain(),
                    "no model for other languages than English: the English one is used for them"
                );
                *state = State::Missing(Instant::now());
                None
            }
        }
    }

    async fn load(&self) -> Result<Arc<dyn Embedder>> {
        if let Some(fetch) = &self.fetch
            && !self.directory.join(MultilingualE5::FILE).is_file()
        {
            let fetched = fetch(self.directory.clone()).await;
            fetched.map_err(|reason| Error::internal(format!("it could not be fetched: {reason}")))?;
        }
        let directory = self.directory.clone();
        let loaded = tokio::task::spawn_blocking(move || local::e5(&directory)).await;
        let model = loaded.map_err(|error| Error::internal("loading failed").because(error))??;
        Ok(model.shared())
    }
}
