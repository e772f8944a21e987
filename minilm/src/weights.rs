//! The parameters of a model of BERT's kind. Both models here have the same widths.

use crate::{DIMENSIONS, LoadError, Precision, dense::Dense, kernels::add, q4};

/// Width of the feed-forward layer between its two products.
const INTERMEDIATE: usize = 1536;
/// Positions a model has embeddings for.
pub(crate) const POSITIONS: usize = 512;

/// Gain and bias of a layer normalisation.
pub(crate) struct Norm {
    pub(crate) gain: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// One transformer layer.
pub(crate) struct Layer {
    /// Query, key and value projections stacked, so that one product computes all three.
    pub(crate) qkv: Dense,
    pub(crate) attention_output: Dense,
    pub(crate) attention_norm: Norm,
    pub(crate) intermediate: Dense,
    pub(crate) output: Dense,
    pub(crate) output_norm: Norm,
}

/// The embeddings of words.
pub(crate) enum Words {
    /// As numbers.
    Full(Vec<f32>),
    /// As four bits each: a large vocabulary of which a text has few.
    Quantized(Vec<u8>),
}

impl Words {
    /// Writes the embedding of a piece of the vocabulary.
    pub(crate) fn put(&self, id: usize, row: &mut [f32]) {
        match self {
            Self::Full(words) => row.copy_from_slice(&words[id * DIMENSIONS..][..DIMENSIONS]),
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
    pub(crate) positions: Vec<f32>,
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
        precision: Precision,
    ) -> Result<Self, LoadError> {
        let file = File {
            source,
            names,
            precision,
        };
        let [positions, segments, norm] = names.embeddings;
        let segments = source.values(segments, &[2, DIMENSIONS])?;
        let mut positions = source.values(positions, &[POSITIONS, DIMENSIONS])?;
        for row in positions.chunks_exact_mut(DIMENSIONS) {
            add(row, &segments);
        }
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
    precision: Precision,
}

impl<S: Source> File<'_, S> {
    fn layer(&self, index: usize) -> Result<Layer, LoadError> {
        let [before, after] = self.names.layer;
        let prefix = format!("{before}{index}{after}");
        let [query, key, value, attention, intermediate, output] = self.names.linear;
        let dense = |names: &[&str], outputs, inputs| {
            let (mut weight, mut bias) = (Vec::new(), Vec::new());
            for name in names {
                let [of_weight, of_bias] = self.names.ends.map(|end| format!("{prefix}{name}{end}"));
                weight.extend(self.source.values(&of_weight, &[outputs, inputs])?);
                bias.extend(self.source.values(&of_bias, &[outputs])?);
            }
            Ok::<_, LoadError>(Dense::new(self.precision, &weight, bias))
        };
        let [attention_norm, output_norm] =
            self.names.norms.map(|name| self.norm(&format!("{prefix}{name}")));
        Ok(Layer {
            qkv: dense(&[query, key, value], DIMENSIONS, DIMENSIONS)?,
            attention_output: dense(&[attention], DIMENSIONS, DIMENSIONS)?,
            attention_norm: attention_norm?,
            intermediate: dense(&[intermediate], INTERMEDIATE, DIMENSIONS)?,
            output: dense(&[output], DIMENSIONS, INTERMEDIATE)?,
            output_norm: output_norm?,
        })
    }

    fn norm(&self, name: &str) -> Result<Norm, LoadError> {
        let [gain, bias] = self.names.ends;
        Ok(Norm {
            gain: self.source.values(&format!("{name}{gain}"), &[DIMENSIONS])?,
            bias: self.source.values(&format!("{name}{bias}"), &[DIMENSIONS])?,
        })
    }
}
