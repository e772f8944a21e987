//! The forward pass over several token sequences at once.
//!
//! The sequences of a batch are packed one after the other without padding: the dense layers see one tall
//! matrix, and only attention looks at each sequence by itself.

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, Slice, linalg::general_mat_mul};

use crate::DIMENSIONS;
use crate::kernels::{gelu, layer_norm, normalise, softmax};
use crate::weights::{Layer, Linear, Norm, Weights};

/// Attention heads per layer.
const HEADS: usize = 12;
/// Width of one head.
const HEAD: usize = DIMENSIONS / HEADS;

/// Embeds each of `sequences` (token identifiers with `[CLS]` and `[SEP]`, at most 512 of them): mean over its
/// tokens of the last layer's output, scaled to length 1.
pub(crate) fn embed(weights: &Weights, sequences: &[Vec<u32>]) -> Vec<[f32; DIMENSIONS]> {
    let mut hidden = embeddings(weights, sequences);
    for layer in &weights.layers {
        transform(layer, &mut hidden, sequences);
    }
    let mut start = 0;
    sequences
        .iter()
        .map(|sequence| {
            let rows = hidden.slice_axis(Axis(0), Slice::from(start..start + sequence.len()));
            start += sequence.len();
            mean(rows)
        })
        .collect()
}

/// Word plus position embeddings, normalised: one row per token of all sequences.
fn embeddings(weights: &Weights, sequences: &[Vec<u32>]) -> Array2<f32> {
    let tokens = sequences.iter().map(Vec::len).sum();
    let mut hidden = Array2::zeros((tokens, DIMENSIONS));
    let positioned = sequences.iter().flat_map(|sequence| sequence.iter().enumerate());
    for (mut row, (position, &id)) in hidden.rows_mut().into_iter().zip(positioned) {
        weights.words.put(id as usize, &mut row);
        row += &weights.positions.row(position);
    }
    normalise_rows(&mut hidden, &weights.norm);
    hidden
}

/// Applies one transformer layer to `hidden` in place.
fn transform(layer: &Layer, hidden: &mut Array2<f32>, sequences: &[Vec<u32>]) {
    let qkv = linear(&layer.qkv, hidden);
    let mut attended = Array2::zeros(hidden.raw_dim());
    let mut start = 0;
    for sequence in sequences {
        let rows = Slice::from(start..start + sequence.len());
        attention(
            qkv.slice_axis(Axis(0), rows),
            attended.slice_axis_mut(Axis(0), rows),
        );
        start += sequence.len();
    }
    *hidden += &linear(&layer.attention_output, &attended);
    normalise_rows(hidden, &layer.attention_norm);

    let mut wide = linear(&layer.intermediate, hidden);
    if let Some(values) = wide.as_slice_mut() {
        gelu(values);
    }
    *hidden += &linear(&layer.output, &wide);
    normalise_rows(hidden, &layer.output_norm);
}

/// Self-attention of one sequence, head by head: softmax(Q·Kᵀ/√32)·V. `qkv` holds query, key and value side
/// by side.
fn attention(qkv: ArrayView2<'_, f32>, mut attended: ArrayViewMut2<'_, f32>) {
    let scale = 1.0 / (HEAD as f32).sqrt();
    let mut scores = Array2::zeros((qkv.nrows(), qkv.nrows()));
    for head in 0..HEADS {
        let columns = |part: usize| {
            let first = part * DIMENSIONS + head * HEAD;
            qkv.slice_axis(Axis(1), Slice::from(first..first + HEAD))
        };
        general_mat_mul(1.0, &columns(0), &columns(1).reversed_axes(), 0.0, &mut scores);
        for mut row in scores.rows_mut() {
            if let Some(row) = row.as_slice_mut() {
                softmax(row, scale);
            }
        }
        let mut output = attended.slice_axis_mut(Axis(1), Slice::from(head * HEAD..(head + 1) * HEAD));
        general_mat_mul(1.0, &scores, &columns(2), 0.0, &mut output);
    }
}

/// `input`·Wᵀ + b.
fn linear(layer: &Linear, input: &Array2<f32>) -> Array2<f32> {
    let mut output = Array2::zeros((input.nrows(), layer.bias.len()));
    for mut row in output.rows_mut() {
        if let Some(row) = row.as_slice_mut() {
            row.copy_from_slice(&layer.bias);
        }
    }
    general_mat_mul(1.0, input, &layer.weight.t(), 1.0, &mut output);
    output
}

/// Layer normalisation of every row.
fn normalise_rows(matrix: &mut Array2<f32>, norm: &Norm) {
    for mut row in matrix.rows_mut() {
        if let Some(row) = row.as_slice_mut() {
            layer_norm(row, &norm.gain, &norm.bias);
        }
    }
}

/// Mean of `rows`, scaled to length 1.
fn mean(rows: ArrayView2<'_, f32>) -> [f32; DIMENSIONS] {
    let mut vector = [0.0; DIMENSIONS];
    for (value, sum) in vector.iter_mut().zip(rows.sum_axis(Axis(0))) {
        *value = sum / rows.nrows() as f32;
    }
    normalise(&mut vector);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_multiplies_by_the_transpose_and_adds_the_bias() {
        let layer = Linear {
            weight: ndarray::array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
            bias: vec![0.5, 0.0, -1.0],
        };
        let output = linear(&layer, &ndarray::array![[1.0, 1.0], [2.0, -1.0]]);
        assert_eq!(output, ndarray::array![[3.5, 7.0, 10.0], [0.5, 2.0, 3.0]]);
    }

    #[test]
    fn attention_to_equal_keys_is_the_mean_of_the_values() {
        let mut qkv = Array2::zeros((3, 3 * DIMENSIONS));
        for (index, mut row) in qkv.rows_mut().into_iter().enumerate() {
            row.slice_axis_mut(Axis(0), Slice::from(2 * DIMENSIONS..))
                .fill(index as f32);
        }
        let mut attended = Array2::zeros((3, DIMENSIONS));
        attention(qkv.view(), attended.view_mut());
        assert!(
            attended.iter().all(|value: &f32| (value - 1.0).abs() < 1e-6),
            "{attended}"
        );
    }
}
