//! The embedding models.

use std::sync::Arc;

use smartcourse_platform::{Result, ports::embeddings::Models};

use crate::{
    Engines,
    embeddings::embedded::{Embedded, Fetch},
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
}
