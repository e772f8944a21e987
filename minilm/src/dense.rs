//! Dense layers, which are nearly all of a model's arithmetic.

use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use crate::eight::{self, Eight, Integers};

/// How the dense layers compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// In numbers of 32 bits, as the models were published.
    Full,
    /// In integers of eight bits, twice as fast. Vectors are so near to those in full precision
    /// ([`MIN_COSINE_EIGHT`](crate::reference::MIN_COSINE_EIGHT)) that one may be compared with the other.
    Eight,
}

impl Precision {
    /// The faster one: eight bits where the processor has instructions for them.
    pub fn of_this_processor() -> Self {
        match eight::is_fast() {
            true => Self::Eight,
            false => Self::Full,
        }
    }
}

/// A dense layer: y = x·Wᵀ + b.
pub(crate) struct Dense {
    weight: Weight,
    bias: Vec<f32>,
    inputs: usize,
}

enum Weight {
    Full(PackedBMatrix<f32>),
    Eight(Eight),
}

impl Dense {
    /// Of a weight of \[outputs, inputs\] and as many biases as outputs.
    pub(crate) fn new(precision: Precision, weight: &[f32], bias: Vec<f32>) -> Self {
        let inputs = weight.len() / bias.len();
        let weight = match precision {
            Precision::Full => {
                let rows = NdTensorView::from_data([bias.len(), inputs], weight);
                Weight::Full(GemmExecutor::<f32>::new().prepack_b(rows.transposed()))
            }
            Precision::Eight => Weight::Eight(Eight::new(weight, inputs)),
        };
        Self { weight, bias, inputs }
    }

    /// Makes `output` the outputs of each row of inputs.
    pub(crate) fn apply(&self, input: &[f32], integers: &mut Integers, output: &mut Vec<f32>) {
        let count = input.len() / self.inputs;
        output.resize(count * self.bias.len(), 0.0);
        match &self.weight {
            Weight::Full(weight) => {
                let rows = NdTensorView::from_data([count, self.inputs], input);
                let options = GemmOptions {
                    bias: Some(BiasVector::Row(&self.bias)),
                    ..GemmOptions::default()
                };
                GemmExecutor::<f32>::new()
                    .gemm(
                        output,
                        GemmInputA::Unpacked(rows),
                        GemmInputB::Packed(weight),
                        options,
                    )
                    .expect("the output has a place for each product");
            }
            Weight::Eight(weight) => weight.apply(input, &self.bias, integers, output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_multiplies_by_the_transpose_and_adds_the_bias() {
        let weight = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        for precision in [Precision::Full, Precision::Eight] {
            let layer = Dense::new(precision, &weight, vec![0.5, 0.0, -1.0]);
            let (mut integers, mut output) = (Integers::default(), Vec::new());
            layer.apply(&[1.0, 1.0, 2.0, -1.0], &mut integers, &mut output);
            let expected = [3.5, 7.0, 10.0, 0.5, 2.0, 3.0];
            assert!(
                output
                    .iter()
                    .zip(expected)
                    .all(|(ours, exact)| (ours - exact).abs() < 0.1),
                "{precision:?} {output:?}"
            );
            layer.apply(&[], &mut integers, &mut output);
            assert!(output.is_empty());
        }
    }
}
