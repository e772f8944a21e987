//! The parameters of a model of BERT's kind. Both models here have the same widths.

use ndarray::{Array2, ArrayViewMut1, Axis, concatenate};

use crate::{DIMENSIONS, LoadError, q4};

/// Width of the feed-forward layer between its two products.
const INTERMEDIATE: usize = 1536;
/// Positions a model has embeddings for.
pub(crate) const POSITIONS: usize = 512;

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

/// The embeddings of words.
pub(crate) enum Words {
    /// As numbers.
    Full(Array2<f32>),
    /// As four bits each: a large vocabulary of which a text has few.
    Quantized(Vec<u8>),
}

impl Words {
    /// Writes the embedding of a piece of the vocabulary.
    pub(crate) fn put(&self, id: usize, row: &mut ArrayViewMut1<'_, f32>) {
        match self {
            Self::Full(words) => row.assign(&words.row(id)),
            Self::Quantized(bytes) => {
                let length = q4::bytes(DIMENSIONS);
                let values = q4::values(&bytes[id * length..(id + 1) * length]);
                row.iter_mut().zip(values).for_each(|(to, from)| *to = from);
            }
        }
    }
}

/// Every parameter the forward pass uses.
pub(crate) struct Weights {
    pub(crate) words: Words,
    /// Position embeddings with the embedding of segment 0 added: a lone sentence is all segment 0.
    pub(crate) positions: Array2<f32>,
    pub(crate) norm: Norm,
    pub(crate) layers: Vec<Layer>,
}

/// A file that has parameters by name.
pub(crate) trait Source {
    /// The tensor's values, in row order, after checking its type and shape.
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError>;
}

/// What a file calls its parameters.
pub(crate) struct Names {
    /// Of the position embeddings, the segment embeddings and the norm after both.
    pub(crate) embeddings: [&'static str; 3],
    /// Before the names of a layer, as what stands before and after its number.
    pub(crate) layer: [&'static str; 2],
    /// Of query, key, value, attention's output, the intermediate layer and the output.
    pub(crate) linear: [&'static str; 6],
    /// Of the norms after attention and after the output.
    pub(crate) norms: [&'static str; 2],
    /// The ends of names of weights and of biases; norms call their gain a weight too.
    pub(crate) ends: [&'static str; 2],
}

impl Weights {
    /// Takes the parameters of so many layers from a file.
    ///
    /// # Errors
    /// [`LoadError::Tensor`] for a parameter that is absent or of another shape.
    pub(crate) fn of(
        source: &impl Source,
        names: &Names,
        words: Words,
        layers: usize,
    ) -> Result<Self, LoadError> {
        let file = File { source, names };
        let [positions, segments, norm] = names.embeddings;
        let segments = file.matrix(segments, 2, DIMENSIONS)?;
        let mut positions = file.matrix(positions, POSITIONS, DIMENSIONS)?;
        positions += &segments.row(0);
        Ok(Self {
            words,
            positions,
            norm: file.norm(norm)?,
            layers: (0..layers)
                .map(|index| file.layer(index))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// An opened file, with checked access by name.
struct File<'a, S> {
    source: &'a S,
    names: &'a Names,
}

impl<S: Source> File<'_, S> {
    fn layer(&self, index: usize) -> Result<Layer, LoadError> {
        let [before, after] = self.names.layer;
        let prefix = format!("{before}{index}{after}");
        let [query, key, value, attention, intermediate, output] = self.names.linear;
        let linear = |name: &str, outputs, inputs| self.linear(&format!("{prefix}{name}"), outputs, inputs);
        let square = |name: &str| linear(name, DIMENSIONS, DIMENSIONS);
        let (query, key, value) = (square(query)?, square(key)?, square(value)?);
        let stacked = [query.weight.view(), key.weight.view(), value.weight.view()];
        let weight = concatenate(Axis(0), &stacked).map_err(|error| LoadError::Tensor {
            name: prefix.clone(),
            reason: error.to_string(),
        })?;
        let [attention_norm, output_norm] =
            self.names.norms.map(|name| self.norm(&format!("{prefix}{name}")));
        Ok(Layer {
            qkv: Linear {
                weight,
                bias: [query.bias, key.bias, value.bias].concat(),
            },
            attention_output: square(attention)?,
            attention_norm: attention_norm?,
            intermediate: linear(intermediate, INTERMEDIATE, DIMENSIONS)?,
            output: linear(output, DIMENSIONS, INTERMEDIATE)?,
            output_norm: output_norm?,
        })
    }

    fn linear(&self, name: &str, outputs: usize, inputs: usize) -> Result<Linear, LoadError> {
        let [weight, bias] = self.names.ends;
        Ok(Linear {
            weight: self.matrix(&format!("{name}{weight}"), outputs, inputs)?,
            bias: self.source.values(&format!("{name}{bias}"), &[outputs])?,
        })
    }

    fn norm(&self, name: &str) -> Result<Norm, LoadError> {
        let [gain, bias] = self.names.ends;
        Ok(Norm {
            gain: self.source.values(&format!("{name}{gain}"), &[DIMENSIONS])?,
            bias: self.source.values(&format!("{name}{bias}"), &[DIMENSIONS])?,
        })
    }

    fn matrix(&self, name: &str, rows: usize, columns: usize) -> Result<Array2<f32>, LoadError> {
        matrix(self.source, name, rows, columns)
    }
}

/// A matrix of a file.
pub(crate) fn matrix(
    source: &impl Source,
    name: &str,
    rows: usize,
    columns: usize,
) -> Result<Array2<f32>, LoadError> {
    Array2::from_shape_vec((rows, columns), source.values(name, &[rows, columns])?).map_err(|error| {
        LoadError::Tensor {
            name: name.to_owned(),
            reason: error.to_string(),
        }
    })
}
