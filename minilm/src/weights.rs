//! The model's parameters, copied out of `model.safetensors` into matrices.

use std::path::Path;

use ndarray::{Array2, Axis, concatenate};
use safetensors::{Dtype, SafeTensors};

use crate::{DIMENSIONS, LoadError};

/// Transformer layers.
const LAYERS: usize = 6;
/// Width of the feed-forward layer between its two products.
const INTERMEDIATE: usize = 1536;
/// Pieces in the vocabulary.
const VOCABULARY: usize = 30_522;
/// Positions the model has embeddings for; inputs are cut to half of it.
const POSITIONS: usize = 512;

/// A dense layer: y = x·Wᵀ + b, with `weight` as \[out, in\].
pub(crate) struct Linear {
    pub(crate) weight: Array2<f32>,
    pub(crate) bias: Vec<f32>,
}

/// Gain and bias of a layer normalisation.
pub(crate) struct Norm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// One transformer layer.
pub(crate) struct Layer {
    /// Query, key and value projections stacked, so that one product computes all three.
    pub(crate) qkv: Linear,
    pub(crate) attention_output: Linear,
    pub(crate) attention_norm: Norm,
    pub(crate) intermediate: Linear,
    pub(crate) output: Linear,
    pub(crate) output_norm: Norm,
}

/// Every parameter the forward pass uses.
pub(crate) struct Weights {
    pub(crate) words: Array2<f32>,
    /// Position embeddings with the embedding of segment 0 added: a lone sentence is all segment 0.
    pub(crate) positions: Array2<f32>,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
}

impl Weights {
    /// Copies the parameters out of `bytes`, the content of the file at `path` (named in errors only).
    ///
    /// # Errors
    /// [`LoadError::Format`] for a file that is not safetensors, [`LoadError::Tensor`] for a parameter that is
    /// absent or of another shape.
    pub(crate) fn parse(bytes: &[u8], path: &Path) -> Result<Self, LoadError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| LoadError::Format {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        let file = File(tensors);
        let segments = file.matrix("embeddings.token_type_embeddings.weight", 2, DIMENSIONS)?;
        let mut positions = file.matrix("embeddings.position_embeddings.weight", POSITIONS, DIMENSIONS)?;
        positions += &segments.row(0);
        Ok(Self {
            words: file.matrix("embeddings.word_embeddings.weight", VOCABULARY, DIMENSIONS)?,
            positions,
            norm: file.norm("embeddings.LayerNorm")?,
            layers: (0..LAYERS)
                .map(|index| file.layer(index))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The opened file, with checked access by name.
struct File<'a>(SafeTensors<'a>);

impl File<'_> {
    fn layer(&self, index: usize) -> Result<Layer, LoadError> {
        let prefix = format!("encoder.layer.{index}");
        let square = |name: &str| self.linear(&format!("{prefix}.attention.{name}"), DIMENSIONS, DIMENSIONS);
        let (query, key, value) = (square("self.query")?, square("self.key")?, square("self.value")?);
        let stacked = [query.weight.view(), key.weight.view(), value.weight.view()];
        let weight = concatenate(Axis(0), &stacked).map_err(|error| LoadError::Tensor {
            name: prefix.clone(),
            reason: error.to_string(),
        })?;
        Ok(Layer {
            qkv: Linear {
                weight,
                bias: [query.bias, key.bias, value.bias].concat(),
            },
            attention_output: square("output.dense")?,
            attention_norm: self.norm(&format!("{prefix}.attention.output.LayerNorm"))?,
            intermediate: self.linear(&format!("{prefix}.intermediate.dense"), INTERMEDIATE, DIMENSIONS)?,
            output: self.linear(&format!("{prefix}.output.dense"), DIMENSIONS, INTERMEDIATE)?,
            output_norm: self.norm(&format!("{prefix}.output.LayerNorm"))?,
        })
    }

    fn linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, LoadError> {
        Ok(Linear {
            weight: self.matrix(&format!("{name}.weight"), outputs, inputs)?,
            bias: self.values(&format!("{name}.bias"), &[outputs])?,
        })
    }

    fn norm(&self, name: &str) -> Result<Norm, LoadError> {
        Ok(Norm {
            gain: self.values(&format!("{name}.weight"), &[DIMENSIONS])?,
            bias: self.values(&format!("{name}.bias"), &[DIMENSIONS])?,
        })
    }

    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Array2<f32>, LoadError> {
        Array2::from_shape_vec((rows, columns), self.values(name, &[rows, columns])?).map_err(|error| {
            LoadError::Tensor {
                name: name.to_owned(),
                reason: error.to_string(),
            }
        })
    }

    /// The tensor's values, in row order, after checking its type and shape.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let wrong = |reason: String| LoadError::Tensor {
            name: name.to_owned(),
            reason,
        };
        let tensor = self.0.tensor(name).map_err(|error| wrong(error.to_string()))?;
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
        let error = Weights::parse(b"not a model", Path::new("weights"))
            .err()
            .unwrap();
        assert!(matches!(&error, LoadError::Format { .. }), "{error}");
    }

    #[test]
    fn an_absent_tensor_is_named() {
        let header = b"{}      ";
        let mut bytes = 8_u64.to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        let error = Weights::parse(&bytes, Path::new("weights")).err().unwrap();
        assert!(error.to_string().contains("token_type_embeddings"), "{error}");
    }
}
