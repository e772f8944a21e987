//! The embedding port: texts to vectors whose dot product is their similarity.

use std::sync::Arc;

use async_trait::async_trait;

use crate::error::Result;

/// What a text is embedded for: some models embed a question otherwise than the passage that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A question.
    Query,
    /// A text to be found.
    Passage,
}

/// An embedding model.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// Names the vector space; vectors of different models never meet.
    fn model(&self) -> &str;
    /// Numbers of a vector.
    fn dimensions(&self) -> usize;
    /// How well passages must fit a question, as the content service judges it, to answer it: each model spreads its
    /// similarities in its own way.
    fn answers_from(&self) -> f64;
    /// How alike two texts are by the cosine of their vectors: near 0 for those that have nothing in common, 1 for the same.
    fn similarity(&self, cosine: f32) -> f64 {
        cosine.into()
    }
    /// Whether the model knows this word, in its normal form, as one: it is common enough that nobody has misspelt it.
    fn has_word(&self, _word: &str) -> bool {
        false
    }
    /// One L2-normalised vector per text, in order.
    async fn embed(&self, purpose: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>>;
}

/// The embedding models of a platform.
#[async_trait]
pub trait Models: Send + Sync {
    /// The model for English, which is always there.
    fn main(&self) -> &Arc<dyn Embedder>;
    /// The model for texts of a language (BCP 47): the main one too when the language's own cannot be had.
    async fn of_language(&self, language: &str) -> Arc<dyn Embedder>;
    /// The model of a name, if it can be had.
    async fn named(&self, model: &str) -> Option<Arc<dyn Embedder>>;
}

/// Cosine of two L2-normalised vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// Little-endian bytes of a vector: the form PostgreSQL keeps it in.
pub fn to_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The vector of little-endian bytes.
pub fn from_bytes(bytes: &[u8]) -> Vec<f32> {
    bytes
        .chunks_exact(4)
        .map(|chunk| f32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]))
        .collect()
}
