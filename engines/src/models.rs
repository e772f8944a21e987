//! The embedding models, and the one that transcribes.

use std::sync::Arc;

use smartcourse_platform::{
    Result,
    ports::{embeddings::Models, transcription::Transcriber},
};

use crate::{
    Engines,
    embeddings::embedded::{Embedded, Fetch},
    transcription::openai::OpenAi,
};

impl Engines {
    /// With what fetches a model that is missing.
    #[must_use]
    pub fn fetching(mut self, fetch: Fetch) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// The embedding models, loaded once. Fails when the weights of the main one are there and cannot be loaded.
    pub fn models(&self) -> Result<Arc<dyn Models>> {
        if let Some(models) = self.models.get() {
            return Ok(Arc::clone(models));
        }
        let models = Embedded::open(&self.config.section()?, self.fetch.clone())?;
        Ok(Arc::clone(self.models.get_or_init(|| Arc::new(models))))
    }

    /// What transcribes recordings; `None` when none is named. Fails when a setting cannot be used.
    pub fn transcriber(&self) -> Result<Option<Arc<dyn Transcriber>>> {
        let named = OpenAi::named(&self.config)?;
        Ok(named.map(|named| Arc::new(named) as Arc<dyn Transcriber>))
    }
}
