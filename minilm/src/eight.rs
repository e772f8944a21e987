//! Dense layers in integers of eight bits, which are multiplied exactly and summed in 32.
//!
//! The weights of each output have a scale of their own, and each row of the input has the range it happens to have.

use rten_gemm::{GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_simd::{Isa, SimdOp};
use rten_tensor::NdTensorView;
use rten_vecmath::{ExtendInit, MinMax, Quantize};

type Product = GemmExecutor<u8, i8, i32>;

/// Whether the processor has instructions for such products.
pub(crate) fn is_fast() -> bool {
    !Product::new().kernel_name().starts_with("generic")
}

/// The integers of a layer's inputs and outputs, in memory that the next layer uses again.
#[derive(Default)]
pub(crate) struct Integers {
    input: Vec<u8>,
    output: Vec<i32>,
}

/// The weights of a layer.
pub(crate) struct Eight {
    packed: PackedBMatrix<i8>,
    inputs: usize,
    /// Of each output: what its integers are multiples of.
    scales: Vec<f32>,
    /// Of each output: the sum of its integers.
    sums: Vec<i32>,
}

impl Eight {
    /// Rounds weights of \[outputs, inputs\].
    pub(crate) fn new(weight: &[f32], inputs: usize) -> Self {
        let product = Product::new();
        // AVX2 adds two products in sixteen bits, which hold those of seven bits.
        let most = if product.may_saturate() { 63.0 } else { 127.0 };
        let (mut integers, mut scales, mut sums) = (Vec::with_capacity(weight.len()), Vec::new(), Vec::new());
        for row in weight.chunks_exact(inputs) {
            let (least, largest) = MinMax::new(row).dispatch();
            let scale = step(largest.max(-least), most);
            let mut shifted = Vec::with_capacity(inputs);
            round(row, scale, SHIFT, &mut shifted);
            let row = shifted
                .iter()
                .map(|value| value.wrapping_sub(SHIFT).cast_signed());
            sums.push(row.clone().map(i32::from).sum());
            integers.extend(row);
            scales.push(scale);
        }
        let rows = NdTensorView::from_data([scales.len(), inputs], &integers[..]);
        Self {
            packed: product.prepack_b(rows.transposed()),
            inputs,
            scales,
            sums,
        }
    }

    /// Writes the outputs of each row of inputs, with their biases.
    pub(crate) fn apply(&self, input: &[f32], bias: &[f32], integers: &mut Integers, output: &mut [f32]) {
        integers.input.clear();
        integers.input.reserve(input.len());
        let mut ranges = Vec::new();
        for row in input.chunks_exact(self.inputs) {
            let (least, largest) = MinMax::new(row).dispatch();
            let (least, largest) = (least.min(0.0), largest.max(0.0));
            let step = step(largest - least, 255.0);
            let zero = (-least / step).round();
            round(row, step, zero as u8, &mut integers.input);
            ranges.push((step, zero as i32));
        }
        let rows = NdTensorView::from_data([ranges.len(), self.inputs], &integers.input[..]);
        integers.output.resize(output.len(), 0);
        Product::new()
            .gemm(
                &mut integers.output,
                GemmInputA::Unpacked(rows),
                GemmInputB::Packed(&self.packed),
                // What zero is in each row is ours to subtract: the product would take those of the first eight rows for all.
                GemmOptions::default(),
            )
            .expect("there is a place for each product");
        Outputs {
            layer: self,
            bias,
            ranges: &ranges,
            products: &integers.output,
            output,
        }
        .dispatch();
    }
}

/// What zero is among the integers of weights before they have signs.
const SHIFT: u8 = 128;

/// The distance of integers of which so many cover a range.
fn step(range: f32, integers: f32) -> f32 {
    (range / integers).max(f32::MIN_POSITIVE)
}

/// Appends the integers of a row, in which zero is one of them.
fn round(row: &[f32], step: f32, zero: u8, integers: &mut Vec<u8>) {
    integers.extend_init(|space| Quantize::new(row, &mut space[..row.len()], step.recip(), zero).dispatch());
}

/// Numbers out of integers, by the widest instructions there are.
struct Outputs<'a> {
    layer: &'a Eight,
    bias: &'a [f32],
    /// Of each row: the step and zero.
    ranges: &'a [(f32, i32)],
    products: &'a [i32],
    output: &'a mut [f32],
}

impl SimdOp for Outputs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let width = self.bias.len();
        let rows = self
            .output
            .chunks_exact_mut(width)
            .zip(self.products.chunks_exact(width));
        for ((output, products), &(step, zero)) in rows.zip(self.ranges) {
            let columns = self.layer.sums.iter().zip(&self.layer.scales).zip(self.bias);
            for ((output, product), ((sum, scale), bias)) in output.iter_mut().zip(products).zip(columns) {
                *output = (product - zero * sum) as f32 * (step * scale) + bias;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(layer: &Eight, input: &[f32], bias: &[f32]) -> Vec<f32> {
        let mut output = vec![0.0; input.len() / layer.inputs * bias.len()];
        layer.apply(input, bias, &mut Integers::default(), &mut output);
        output
    }

    /// Numbers that look random, between -1 and 1.
    fn numbers(count: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect()
    }

    /// The product of rounded numbers, one after the other.
    fn plain(layer: &[f32], input: &[f32], inputs: usize, most: f32) -> Vec<f32> {
        let rounded =
            |row: &[f32], step: f32| row.iter().map(|value| (value / step).round() * step).collect();
        let weight: Vec<Vec<f32>> = layer
            .chunks_exact(inputs)
            .map(|row| {
                rounded(
                    row,
                    row.iter().fold(0.0_f32, |most, value| most.max(value.abs())) / most,
                )
            })
            .collect();
        let mut output = Vec::new();
        for row in input.chunks_exact(inputs) {
            let range = row.iter().fold((0.0_f32, 0.0_f32), |(least, largest), &value| {
                (least.min(value), largest.max(value))
            });
            let row: Vec<f32> = rounded(row, (range.1 - range.0) / 255.0);
            let dot = |weight: &Vec<f32>| {
                weight
                    .iter()
                    .zip(&row)
                    .map(|(weight, value)| weight * value)
                    .sum::<f32>()
            };
            output.extend(weight.iter().map(dot));
        }
        output
    }

    #[test]
    fn products_are_those_of_the_rounded_numbers() {
        let most = if Product::new().may_saturate() {
            63.0
        } else {
            127.0
        };
        let shapes = [
            (0, 8, 3),
            (1, 1, 1),
            (1, 384, 40),
            (7, 33, 5),
            (70, 100, 37),
            (131, 1536, 384),
            (65, 1025, 33),
        ];
        for (seed, (rows, inputs, outputs)) in (1..).zip(shapes) {
            let weight = numbers(inputs * outputs, seed);
            // Rows of different sizes and of different signs, so that each has a step and a zero of its own.
            let mut input = numbers(rows * inputs, seed + 100);
            for (index, value) in input.iter_mut().enumerate() {
                let row = index / inputs;
                *value = (*value + (row % 5) as f32 / 2.0 - 1.0) * (1 + row % 7) as f32;
            }
            let ours = applied(&Eight::new(&weight, inputs), &input, &vec![0.25; outputs]);
            let exact = plain(&weight, &input, inputs, most);
            assert_eq!(ours.len(), rows * outputs);
            for (ours, exact) in ours.iter().zip(&exact) {
                let error = (ours - 0.25 - exact).abs();
                assert!(
                    error < 0.02 * (inputs as f32).sqrt(),
                    "{rows}×{inputs}×{outputs}: {ours} for {exact}"
                );
            }
        }
    }

    #[test]
    fn the_largest_numbers_do_not_overflow() {
        for sign in [1.0, -1.0] {
            let output = applied(
                &Eight::new(&vec![sign; 2 * 1536], 1536),
                &[1.0; 3 * 1536],
                &[0.0; 2],
            );
            assert!(
                output.iter().all(|value| (value - sign * 1536.0).abs() < 0.1),
                "{output:?}"
            );
        }
    }

    #[test]
    fn nothing_but_zeros_is_zero() {
        let output = applied(&Eight::new(&[0.0; 6], 3), &[0.0; 6], &[1.0, 2.0]);
        assert_eq!(output, [1.0, 2.0, 1.0, 2.0]);
    }
}
