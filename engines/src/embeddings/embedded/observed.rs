//! How long a model takes, and a span for each call of it.

use std::time::Instant;

use async_trait::async_trait;
use smartcourse_platform::{
    Result,
    ports::embeddings::{Embedder, Purpose},
};
use smartcourse_telemetry::catalogue::MODEL_SECONDS;
use tracing::Instrument as _;

/// An embedding model that is watched.
pub(super) struct Observed<E>(pub(super) E);

#[async_trait]
impl<E: Embedder> Embedder for Observed<E> {
    fn model(&self) -> &str {
        self.0.model()
    }

    fn dimensions(&self) -> usize {
        self.0.dimensions()
    }

    fn answers_from(&self) -> f64 {
        self.0.answers_from()
    }

    fn similarity(&self, cosine: f32) -> f64 {
        self.0.similarity(cosine)
    }

    fn has_word(&self, word: &str) -> bool {
        self.0.has_word(word)
    }

    async fn embed(&self, purpose: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        let begun = Instant::now();
        let span = tracing::info_span!(
            "embed",
            otel.kind = "client",
            model = self.model(),
            ?purpose,
            texts = texts.len()
        );
        let vectors = self.0.embed(purpose, texts).instrument(span).await;
        let outcome = vectors.as_ref().map_or_else(|error| error.code(), |_| "ok");
        MODEL_SECONDS.since(begun, [self.model(), "embed", outcome]);
        vectors
    }
}
