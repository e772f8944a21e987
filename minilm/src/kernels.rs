//! The arithmetic between the matrix products: exponential, GELU, softmax, layer normalisation, pooling.
//!
//! Everything here is written so that the compiler vectorises it: no calls into libm, no branches in loops.

/// Added to a layer norm's variance; the model's `layer_norm_eps`.
const LAYER_NORM_EPSILON: f32 = 1e-12;

/// eˣ to about two units in the last place, for x in [-87, 88]; clamped outside.
///
/// Cody–Waite reduction x = n·ln 2 + r, then the degree-6 polynomial of Cephes' `expf` for eʳ and n put into
/// the exponent bits. Rounding is by adding 1.5·2²³, which needs no SSE 4.1 instruction.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * 0.693_359_4) - n * -2.121_944_4e-4;
    let poly = ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r
        + 0.166_666_66)
        * r
        + 0.5;
    let mantissa = poly * r * r + r + 1.0;
    // The low bits of `shifted` hold n as an integer; wrapping arithmetic keeps its sign.
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    mantissa * f32::from_bits(exponent)
}

/// GELU in place, x·Φ(x) with the exact error function: erf by Abramowitz and Stegun 7.1.26 (error ≤ 1.5e-7).
pub(crate) fn gelu(values: &mut [f32]) {
    for value in values {
        let z = *value * std::f32::consts::FRAC_1_SQRT_2;
        let a = z.abs();
        let t = 1.0 / (1.0 + 0.327_591_1 * a);
        let poly =
            ((((1.061_405_4 * t - 1.453_152_1) * t + 1.421_413_8) * t - 0.284_496_74) * t + 0.254_829_6) * t;
        let erf = (1.0 - poly * exp(-a * a)).copysign(z);
        *value *= 0.5 * (1.0 + erf);
    }
}

/// Softmax of `scale`·`row` in place.
pub(crate) fn softmax(row: &mut [f32], scale: f32) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in row.iter_mut() {
        *value = exp((*value - max) * scale);
    }
    let inverse = 1.0 / row.iter().sum::<f32>();
    for value in row {
        *value *= inverse;
    }
}

/// Layer normalisation of one row in place: (x − mean) / √(variance + 1e-12) · `gain` + `bias`.
pub(crate) fn layer_norm(row: &mut [f32], gain: &[f32], bias: &[f32]) {
    let length = row.len() as f32;
    let mean = row.iter().sum::<f32>() / length;
    let variance = row
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum::<f32>()
        / length;
    let inverse = 1.0 / (variance + LAYER_NORM_EPSILON).sqrt();
    for ((value, gain), bias) in row.iter_mut().zip(gain).zip(bias) {
        *value = (*value - mean) * inverse * gain + bias;
    }
}

/// Scales `vector` to Euclidean length 1; a zero vector stays zero.
pub(crate) fn normalise(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
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
    fn exp_agrees_with_libm() {
        for step in -8_700..=8_800_i16 {
            let x = f32::from(step) / 100.0;
            let (ours, theirs) = (f64::from(exp(x)), f64::from(x).exp());
            assert!(
                (ours / theirs - 1.0).abs() < 4e-7,
                "exp({x}) = {ours}, expected {theirs}"
            );
        }
        assert!(exp(-1e9) < 1e-37);
        assert!(exp(1e9).is_finite());
    }

    #[test]
    fn gelu_agrees_with_published_values() {
        // x·Φ(x) from the normal distribution's table.
        let expected = [
            (-3.0, -0.004_049_7),
            (-1.0, -0.158_655_25),
            (0.0, 0.0),
            (0.5, 0.345_731_23),
            (2.0, 1.954_499_7),
        ];
        for (x, y) in expected {
            let mut value = [x];
            gelu(&mut value);
            assert!(
                (value[0] - y).abs() < 1e-6,
                "gelu({x}) = {}, expected {y}",
                value[0]
            );
        }
    }

    #[test]
    fn softmax_sums_to_one_and_survives_large_values() {
        let mut row = [1000.0, 1000.0, 998.0];
        softmax(&mut row, 0.5);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!((row[2] / row[0] - (-1.0_f32).exp()).abs() < 1e-6);
    }

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
