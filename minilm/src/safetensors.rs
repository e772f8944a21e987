//! The parameters of all-MiniLM-L6-v2, in `model.safetensors`.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::{
    DIMENSIONS, LoadError, Precision,
    weights::{Names, Source, Weights, Words},
};

/// Transformer layers.
const LAYERS: usize = 6;
/// Pieces in the vocabulary.
const VOCABULARY: usize = 30_522;

const NAMES: Names = Names {
    embeddings: [
        "embeddings.position_embeddings.weight",
        "embeddings.token_type_embeddings.weight",
        "embeddings.LayerNorm",
    ],
    layer: ["encoder.layer.", "."],
    linear: [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ],
    norms: ["attention.output.LayerNorm", "output.LayerNorm"],
    ends: [".weight", ".bias"],
};

/// Copies the parameters out of `bytes`, the content of the file at `path` (named in errors only).
///
/// # Errors
/// [`LoadError::Format`] for a file that is not safetensors, [`LoadError::Tensor`] for a parameter that is
/// absent or of another shape.
pub(crate) fn parse(bytes: &[u8], path: &Path, precision: Precision) -> Result<Weights, LoadError> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| LoadError::Format {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    let words = "embeddings.word_embeddings.weight";
    let words = Words::Full(tensors.values(words, &[VOCABULARY, DIMENSIONS])?);
    Weights::of(&tensors, &NAMES, words, LAYERS, precision)
}

impl Source for SafeTensors<'_> {
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let wrong = |reason: String| LoadError::Tensor {
            name: name.to_owned(),
            reason,
        };
        let tensor = self.tensor(name).map_err(|error| wrong(error.to_string()))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            let found = (tensor.dtype(), tensor.shape());
            return Err(wrong(format!(
                "expected F32 {shape:?}, found {:?} {:?}",
                found.0, found.1
            )));
        }
        let (bytes, _) = tensor.data().as_chunks::<4>();
        Ok(bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rubbish_is_refused_with_the_path() {
        let error = parse(b"not a model", Path::new("weights"), Precision::Full)
            .err()
            .unwrap();
        assert!(matches!(&error, LoadError::Format { .. }), "{error}");
    }

    #[test]
    fn an_absent_tensor_is_named() {
        let header = b"{}      ";
        let mut bytes = 8_u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        let error = parse(&bytes, Path::new("weights"), Precision::Full)
            .err()
            .unwrap();
        assert!(error.to_string().contains("word_embeddings"), "{error}");
    }
}
