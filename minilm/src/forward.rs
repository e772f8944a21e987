//! The forward pass over several token sequences at once.
//!
//! The sequences of a batch are packed one after the other without padding: the dense layers see one tall
//! matrix, and only attention looks at each sequence by itself.

use std::cell::Cell;

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions};
use rten_simd::{SimdOp, SimdUnaryOp};
use rten_tensor::NdTensorView;
use rten_vecmath::{Gelu, Softmax};

use crate::DIMENSIONS;
use crate::eight::Integers;
use crate::kernels::{add, layer_norm, normalise};
use crate::weights::{Layer, Norm, Weights};

/// Attention heads per layer.
const HEADS: usize = 12;
/// Width of one head.
const HEAD: usize = DIMENSIONS / HEADS;

/// What is computed between the states of tokens, in memory that each layer uses again, and each pass of a thread: pages that
/// are new each time cost a sixth of the pass.
#[derive(Default)]
struct Space {
    integers: Integers,
    qkv: Vec<f32>,
    attended: Vec<f32>,
    wide: Vec<f32>,
    change: Vec<f32>,
}

thread_local! {
    static SPACE: Cell<Space> = Cell::default();
}

/// Embeds each of `sequences` (token identifiers with `[CLS]` and `[SEP]`, at most 512 of them): mean over its
/// tokens of the last layer's output, scaled to length 1.
pub(crate) fn embed(weights: &Weights, sequences: &[Vec<u32>]) -> Vec<[f32; DIMENSIONS]> {
    let mut hidden = embeddings(weights, sequences);
    // Taken, not borrowed: a thread that waits for a product may begin another pass.
    let mut space = SPACE.take();
    for layer in &weights.layers {
        transform(layer, &mut hidden, sequences, &mut space);
    }
    SPACE.set(space);
    let mut rest = &hidden[..];
    let vector = |sequence: &Vec<u32>| {
        let (own, others) = rest.split_at(sequence.len() * DIMENSIONS);
        rest = others;
        direction(own)
    };
    sequences.iter().map(vector).collect()
}

/// Word plus position embeddings, normalised: one row per token of all sequences.
fn embeddings(weights: &Weights, sequences: &[Vec<u32>]) -> Vec<f32> {
    let tokens: usize = sequences.iter().map(Vec::len).sum();
    let mut hidden = vec![0.0; tokens * DIMENSIONS];
    let positioned = sequences.iter().flat_map(|sequence| sequence.iter().enumerate());
    for (row, (position, &id)) in hidden.chunks_exact_mut(DIMENSIONS).zip(positioned) {
        weights.words.put(id as usize, row);
        add(row, &weights.positions[position * DIMENSIONS..]);
    }
    normalise_rows(&mut hidden, &weights.norm);
    hidden
}

/// Applies one transformer layer to `hidden` in place.
fn transform(layer: &Layer, hidden: &mut [f32], sequences: &[Vec<u32>], space: &mut Space) {
    let Space {
        integers,
        qkv,
        attended,
        wide,
        change,
    } = space;
    layer.qkv.apply(hidden, integers, qkv);
    attended.resize(hidden.len(), 0.0);
    let (mut qkv, mut rest) = (&qkv[..], &mut attended[..]);
    for sequence in sequences {
        let length = sequence.len() * DIMENSIONS;
        let (own, others) = rest.split_at_mut(length);
        attention(&qkv[..3 * length], own);
        (qkv, rest) = (&qkv[3 * length..], others);
    }
    layer.attention_output.apply(attended, integers, change);
    add(hidden, change);
    normalise_rows(hidden, &layer.attention_norm);

    layer.intermediate.apply(hidden, integers, wide);
    Gelu {}.map_mut(wide);
    layer.output.apply(wide, integers, change);
    add(hidden, change);
    normalise_rows(hidden, &layer.output_norm);
}

/// Self-attention of one sequence, head by head: softmax(Q·Kᵀ/√32)·V. `qkv` holds query, key and value side
/// by side.
fn attention(qkv: &[f32], attended: &mut [f32]) {
    let tokens = attended.len() / DIMENSIONS;
    let qkv = NdTensorView::from_data([tokens, 3, HEADS, HEAD], qkv);
    let mut scores = vec![0.0; tokens * tokens];
    let mut mixed = vec![0.0; tokens * HEAD];
    for head in 0..HEADS {
        let part = |part: usize| -> NdTensorView<'_, f32, 2> { qkv.slice((.., part, head, ..)) };
        multiply(
            part(0),
            part(1).transposed(),
            1.0 / (HEAD as f32).sqrt(),
            &mut scores,
        );
        for row in scores.chunks_exact_mut(tokens) {
            Softmax::new_mut(row).dispatch();
        }
        let shares = NdTensorView::from_data([tokens, tokens], &scores[..]);
        multiply(shares, part(2), 1.0, &mut mixed);
        for (row, mixed) in attended
            .chunks_exact_mut(DIMENSIONS)
            .zip(mixed.chunks_exact(HEAD))
        {
            row[head * HEAD..][..HEAD].copy_from_slice(mixed);
        }
    }
}

/// The product of two matrices and a number.
fn multiply(
    left: NdTensorView<'_, f32, 2>,
    right: NdTensorView<'_, f32, 2>,
    alpha: f32,
    product: &mut [f32],
) {
    let options = GemmOptions {
        alpha,
        ..GemmOptions::default()
    };
    GemmExecutor::<f32>::new()
        .gemm(
            product,
            GemmInputA::Unpacked(left),
            GemmInputB::Unpacked(right),
            options,
        )
        .expect("the matrices fit each other");
}

/// Layer normalisation of every row.
fn normalise_rows(matrix: &mut [f32], norm: &Norm) {
    for row in matrix.chunks_exact_mut(DIMENSIONS) {
        layer_norm(row, &norm.gain, &norm.bias);
    }
}

/// Mean of rows, scaled to length 1.
fn direction(rows: &[f32]) -> [f32; DIMENSIONS] {
    let mut vector = [0.0; DIMENSIONS];
    for row in rows.chunks_exact(DIMENSIONS) {
        add(&mut vector, row);
    }
    normalise(&mut vector);
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_to_equal_keys_is_the_mean_of_the_values() {
        let mut qkv = vec![0.0; 3 * 3 * DIMENSIONS];
        for (index, row) in qkv.chunks_exact_mut(3 * DIMENSIONS).enumerate() {
            row[2 * DIMENSIONS..].fill(index as f32);
        }
        let mut attended = vec![0.0; 3 * DIMENSIONS];
        attention(&qkv, &mut attended);
        assert!(
            attended.iter().all(|value| (value - 1.0).abs() < 1e-6),
            "{attended:?}"
        );
    }
}
