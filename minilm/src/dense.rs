//! Dense layers, which are nearly all of a model's arithmetic.

use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

/// A dense layer: y = x·Wᵀ + b.
pub(crate) struct Dense {
    weight: PackedBMatrix<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

impl Dense {
    /// Of a weight of \[outputs, inputs\] and as many biases as outputs.
    pub(crate) fn new(weight: &[f32], bias: Vec<f32>) -> Self {
        let inputs = weight.len() / bias.len();
        let rows = NdTensorView::from_data([bias.len(), inputs], weight);
        Self {
            weight: GemmExecutor::<f32>::new().prepack_b(rows.transposed()),
            bias,
            inputs,
        }
    }

    /// The outputs of each row of inputs.
    pub(crate) fn apply(&self, input: &[f32]) -> Vec<f32> {
        let count = input.len() / self.inputs;
        let rows = NdTensorView::from_data([count, self.inputs], input);
        let mut output = vec![0.0; count * self.bias.len()];
        let options = GemmOptions {
            bias: Some(BiasVector::Row(&self.bias)),
            ..GemmOptions::default()
        };
        GemmExecutor::<f32>::new()
            .gemm(
                &mut output,
                GemmInputA::Unpacked(rows),
                GemmInputB::Packed(&self.weight),
                options,
            )
            .expect("the output has a place for each product");
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_multiplies_by_the_transpose_and_adds_the_bias() {
        let layer = Dense::new(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], vec![0.5, 0.0, -1.0]);
        let output = layer.apply(&[1.0, 1.0, 2.0, -1.0]);
        assert_eq!(output, [3.5, 7.0, 10.0, 0.5, 2.0, 3.0]);
        assert!(layer.apply(&[]).is_empty());
    }
}
