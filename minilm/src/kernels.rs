//! The arithmetic of rows between the matrix products.

use rten_simd::SimdOp;
use rten_vecmath::{Normalize, NormalizeOptions, Sum, SumSquare, SumSquareSub};

/// Added to a layer norm's variance; the model's `layer_norm_eps`.
const LAYER_NORM_EPSILON: f32 = 1e-12;

/// Layer normalisation of one row in place: (x − mean) / √(variance + 1e-12) · `gain` + `bias`.
pub(crate) fn layer_norm(row: &mut [f32], gain: &[f32], bias: &[f32]) {
    let length = row.len() as f32;
    let mean = Sum::new(row).dispatch() / length;
    let variance = SumSquareSub::new(row, mean).dispatch() / length;
    let options = NormalizeOptions {
        pre_scale_bias: mean,
        scale: (variance + LAYER_NORM_EPSILON).sqrt().recip(),
        element_scale: Some(gain),
        element_bias: Some(bias),
        ..NormalizeOptions::default()
    };
    Normalize::new_mut(row, options).dispatch();
}

/// Adds each of `values` to the one in its place.
pub(crate) fn add(sums: &mut [f32], values: &[f32]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += value;
    }
}

/// Scales `vector` to Euclidean length 1; a zero vector stays zero.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = SumSquare::new(vector).dispatch().sqrt();
    if norm > 0.0 {
        for value in vector {
            *value /= norm;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_norm_centres_and_scales() {
        let mut row = [1.0, 2.0, 3.0, 4.0];
        layer_norm(&mut row, &[1.0, 1.0, 1.0, 2.0], &[0.0, 0.0, 0.0, 1.0]);
        let deviation = 1.25_f32.sqrt();
        for (value, expected) in row.iter().zip([-1.5, -0.5, 0.5, 3.0 + deviation]) {
            assert!(
                (value - expected / deviation).abs() < 1e-6,
                "{value} ≠ {}",
                expected / deviation
            );
        }
    }

    #[test]
    fn normalise_leaves_zero_alone() {
        let mut vector = [3.0, 4.0];
        normalise(&mut vector);
        assert_eq!(vector, [0.6, 0.8]);
        let mut zero = [0.0; 4];
        normalise(&mut zero);
        assert_eq!(zero, [0.0; 4]);
    }
}
