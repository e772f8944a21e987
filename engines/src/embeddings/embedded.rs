//! The embedding port: texts to vectors whose dot product is their similarity.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use smartcourse_minilm::{MiniLm, hashed::Hashed};

use crate::error::{Error, Result};

/// An embedding model.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// Names the vector space; vectors of different models never meet.
    fn model(&self) -> &'static str;
    /// Whether similarities are lexical, so that thresholds differ.
    fn is_lexical(&self) -> bool;
    /// One L2-normalised vector per text, in order.
    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>>;
}

/// The embedded model: MiniLM where its weights are, hashed n-grams with a warning where they are not.
///
/// # Errors
/// When the weights are there and cannot be loaded.
pub fn embedded(model_dir: &Path) -> Result<Arc<dyn Embedder>> {
    if !model_dir.join("model.safetensors").is_file() {
        tracing::warn!(directory = %model_dir.display(), "no embedding model: using hashed n-grams (`smartcourse doctor --fix` fetches it)");
        return Ok(Arc::new(Lexical(Arc::new(Hashed))));
    }
    let model = MiniLm::load(model_dir)
        .map_err(|error| Error::internal("the embedding model cannot be loaded").because(error))?;
    Ok(Arc::new(Semantic(Arc::new(model))))
}

struct Semantic(Arc<MiniLm>);

#[async_trait]
impl Embedder for Semantic {
    fn model(&self) -> &'static str {
        smartcourse_minilm::MODEL_ID
    }

    fn is_lexical(&self) -> bool {
        false
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let model = Arc::clone(&self.0);
        blocking(move || {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            model
                .embed(&texts)
                .into_iter()
                .map(|vector| vector.to_vec())
                .collect()
        })
        .await
    }
}

struct Lexical(Arc<Hashed>);

#[async_trait]
impl Embedder for Lexical {
    fn model(&self) -> &'static str {
        smartcourse_minilm::hashed::MODEL_ID
    }

    fn is_lexical(&self) -> bool {
        true
    }

    async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let model = Arc::clone(&self.0);
        blocking(move || model.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>())).await
    }
}

/// Arithmetic belongs on a blocking thread: the reactor's threads answer requests meanwhile.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("embedding failed").because(error))
}
