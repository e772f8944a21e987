//! Models that compute in this process.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use smartcourse_minilm::{
    LoadError, MiniLm, MultilingualE5, Role,
    hashed::{self, Hashed},
};
use smartcourse_platform::{
    Error, Result,
    ports::embeddings::{Embedder, Purpose},
};

use super::observed::Observed;

/// Texts that are computed at once: that cannot be given up half-way, and a question waits for it, so it is short.
const AT_ONCE: usize = 16;
/// Fits that answer a question, by each model: `smartcourse-bench answers` has how many questions that a course answers are
/// refused so, and how many that it does not are not.
const MINILM_ANSWERS_FROM: f64 = 1.53;
const E5_ANSWERS_FROM: f64 = 1.12;
const HASHED_ANSWERS_FROM: f64 = 1.03;
/// The cosine of texts that have nothing in common: E5 was trained so that all of its cosines are high.
const E5_NOTHING_IN_COMMON: f64 = 0.75;

/// What computes the vectors.
trait Model: Send + Sync {
    /// One vector for each text.
    fn embed(&self, purpose: Purpose, texts: &[&str]) -> Vec<Vec<f32>>;

    fn has_word(&self, _word: &str) -> bool {
        false
    }
}

impl Model for MiniLm {
    fn embed(&self, _: Purpose, texts: &[&str]) -> Vec<Vec<f32>> {
        let vectors = self.embed(texts);
        vectors.iter().map(|vector| vector.to_vec()).collect()
    }

    fn has_word(&self, word: &str) -> bool {
        self.has_word(word)
    }
}

impl Model for MultilingualE5 {
    fn embed(&self, purpose: Purpose, texts: &[&str]) -> Vec<Vec<f32>> {
        let role = match purpose {
            Purpose::Query => Role::Query,
            Purpose::Passage => Role::Passage,
        };
        let vectors = self.embed(role, texts);
        vectors.iter().map(|vector| vector.to_vec()).collect()
    }

    fn has_word(&self, word: &str) -> bool {
        self.has_word(word)
    }
}

impl Model for Hashed {
    fn embed(&self, _: Purpose, texts: &[&str]) -> Vec<Vec<f32>> {
        self.embed(texts)
    }
}

/// A model in this process.
pub(super) struct Local {
    name: &'static str,
    dimensions: usize,
    answers_from: f64,
    nothing_in_common: f64,
    model: Arc<dyn Model>,
}

/// MiniLM from the directory of its weights.
pub(super) fn minilm(directory: &Path) -> Result<Local> {
    let model = MiniLm::load(directory).map_err(unloadable)?;
    Ok(Local {
        name: smartcourse_minilm::MODEL_ID,
        dimensions: smartcourse_minilm::DIMENSIONS,
        answers_from: MINILM_ANSWERS_FROM,
        nothing_in_common: 0.0,
        model: Arc::new(model),
    })
}

/// E5 from the directory of its file.
pub(super) fn e5(directory: &Path) -> Result<Local> {
    let model = MultilingualE5::load(directory).map_err(unloadable)?;
    Ok(Local {
        name: smartcourse_minilm::E5_MODEL_ID,
        dimensions: smartcourse_minilm::DIMENSIONS,
        answers_from: E5_ANSWERS_FROM,
        nothing_in_common: E5_NOTHING_IN_COMMON,
        model: Arc::new(model),
    })
}

/// Hashed n-grams.
pub(super) fn hashed() -> Local {
    Local {
        name: hashed::MODEL_ID,
        dimensions: hashed::DIMENSIONS,
        answers_from: HASHED_ANSWERS_FROM,
        nothing_in_common: 0.0,
        model: Arc::new(Hashed),
    }
}

fn unloadable(error: LoadError) -> Error {
    Error::internal("the embedding model cannot be loaded").because(error)
}

impl Local {
    /// To be asked by many, and watched.
    pub(super) fn shared(self) -> Arc<dyn Embedder> {
        Arc::new(Observed(self))
    }
}

#[async_trait]
impl Embedder for Local {
    fn model(&self) -> &str {
        self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn answers_from(&self) -> f64 {
        self.answers_from
    }

    fn similarity(&self, cosine: f32) -> f64 {
        (f64::from(cosine) - self.nothing_in_common) / (1.0 - self.nothing_in_common)
    }

    fn has_word(&self, word: &str) -> bool {
        self.model.has_word(word)
    }

    async fn embed(&self, purpose: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let mut vectors = Vec::with_capacity(texts.len());
        let mut texts = texts.into_iter();
        loop {
            let batch: Vec<String> = texts.by_ref().take(AT_ONCE).collect();
            if batch.is_empty() {
                return Ok(vectors);
            }
            let model = Arc::clone(&self.model);
            // Arithmetic belongs on a blocking thread: the reactor's threads answer requests meanwhile.
            let embedded = tokio::task::spawn_blocking(move || {
                model.embed(purpose, &batch.iter().map(String::as_str).collect::<Vec<_>>())
            });
            let embedded = embedded.await;
            vectors.extend(embedded.map_err(|error| Error::internal("embedding failed").because(error))?);
        }
    }
}
