//! A matrix of weights, packed for the GEMM.

use crate::format::{Bf16, F32, SplitBf16};
use crate::panels::Panels;
use crate::precision::Precision;

/// A matrix of weights in panels of sixteen outputs, as BLIS packs them. It is the only copy of the weights.
///
/// Panel `p` has one line for each input (in bf16, for each pair of inputs): the weights from that input to outputs
/// `16·p..16·p + 16`, zero beyond the last output. The GEMM reads each panel from its first byte to its last.
///
/// A matrix can be filled range by range, so that a memory-mapped file never needs a second copy:
/// ```
/// # use gpt2_kernels::{PackedMatrix, Precision};
/// let mut weights = PackedMatrix::zeros(Precision::F32, 2, 3);
/// weights.set_inputs(0, &[1.0, 2.0, 3.0]);
/// weights.set_inputs(1, &[4.0, 5.0, 6.0]);
/// assert_eq!(weights, PackedMatrix::from_inputs(Precision::F32, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3));
/// assert_eq!(weights, PackedMatrix::from_outputs(Precision::F32, &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], 2, 3));
///
/// let mut rounded = PackedMatrix::zeros(Precision::Bf16, 2, 1);
/// rounded.set_outputs(0, &[1.0, 1.001]);
/// let mut row = [0.0; 2];
/// rounded.row(0, &mut row);
/// assert_eq!(row, [1.0, 1.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PackedMatrix(AnyPanels);

/// Panels in the number format of each [`Precision`].
#[derive(Debug, Clone, PartialEq)]
pub enum AnyPanels {
    F32(Panels<F32>),
    Bf16x3(Panels<SplitBf16>),
    Bf16(Panels<Bf16>),
}

/// Evaluates an expression with the panels of a matrix, whatever their number format.
macro_rules! with_panels {
    ($matrix:expr, $panels:ident => $value:expr) => {
        match $matrix {
            AnyPanels::F32($panels) => $value,
            AnyPanels::Bf16x3($panels) => $value,
            AnyPanels::Bf16($panels) => $value,
        }
    };
}
pub(crate) use with_panels;

impl PackedMatrix {
    /// A matrix of zeros. Weights that are set later are rounded to `precision`.
    pub fn zeros(precision: Precision, inputs: usize, outputs: usize) -> Self {
        Self(match precision {
            Precision::F32 => AnyPanels::F32(Panels::zeros(inputs, outputs)),
            Precision::Bf16x3 => AnyPanels::Bf16x3(Panels::zeros(inputs, outputs)),
            Precision::Bf16 => AnyPanels::Bf16(Panels::zeros(inputs, outputs)),
        })
    }

    /// Packs `weights` of shape `[inputs, outputs]`, as Hugging Face's `Conv1D` has them.
    ///
    /// # Panics
    /// If the length of `weights` does not match its shape.
    pub fn from_inputs(precision: Precision, weights: &[f32], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "{inputs} × {outputs} weights");
        let mut packed = Self::zeros(precision, inputs, outputs);
        packed.set_inputs(0, weights);
        packed
    }

    /// Packs `weights` of shape `[outputs, inputs]`. A token embedding `[vocab_size, n_embd]` thus becomes the output
    /// projection.
    ///
    /// # Panics
    /// If the length of `weights` does not match its shape.
    pub fn from_outputs(precision: Precision, weights: &[f32], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "{outputs} × {inputs} weights");
        let mut packed = Self::zeros(precision, inputs, outputs);
        packed.set_outputs(0, weights);
        packed
    }

    /// Overwrites rows of the matrix `[inputs, outputs]`, beginning with row `first`.
    ///
    /// # Panics
    /// If the length of `rows` is not a multiple of `outputs`, or `rows` reach beyond the last input.
    pub fn set_inputs(&mut self, first: usize, rows: &[f32]) {
        with_panels!(&mut self.0, panels => panels.set_inputs(first, rows));
    }

    /// Overwrites rows of the matrix `[outputs, inputs]`, beginning with row `first`.
    ///
    /// # Panics
    /// If the length of `rows` is not a multiple of `inputs`, or `rows` reach beyond the last output.
    pub fn set_outputs(&mut self, first: usize, rows: &[f32]) {
        with_panels!(&mut self.0, panels => panels.set_outputs(first, rows));
    }

    /// Copies row `output` of the matrix `[outputs, inputs]`, as it was rounded, to `row`: the embedding of a token.
    ///
    /// # Panics
    /// If `output` is not below `outputs`, or the length of `row` is not `inputs`.
    pub fn row(&self, output: usize, row: &mut [f32]) {
        with_panels!(&self.0, panels => panels.row(output, row));
    }

    /// Number format of the weights.
    pub fn precision(&self) -> Precision {
        match self.0 {
            AnyPanels::F32(_) => Precision::F32,
            AnyPanels::Bf16x3(_) => Precision::Bf16x3,
            AnyPanels::Bf16(_) => Precision::Bf16,
        }
    }

    /// Rows of the matrix `[inputs, outputs]`.
    pub fn inputs(&self) -> usize {
        with_panels!(&self.0, panels => panels.inputs())
    }

    /// Columns of the matrix `[inputs, outputs]`.
    pub fn outputs(&self) -> usize {
        with_panels!(&self.0, panels => panels.outputs())
    }

    /// Bytes of memory that the weights take.
    pub fn bytes(&self) -> usize {
        with_panels!(&self.0, panels => panels.bytes())
    }

    pub(crate) fn panels(&self) -> &AnyPanels {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_input_and_by_output_pack_alike_in_any_ranges() {
        for precision in Precision::ALL {
            for (inputs, outputs) in [(1, 1), (3, 16), (5, 17), (33, 50), (4, 0)] {
                check_both_orders(precision, inputs, outputs);
            }
        }
    }

    /// The weights are whole numbers, which no precision rounds.
    fn check_both_orders(precision: Precision, inputs: usize, outputs: usize) {
        let by_input: Vec<f32> = (0..inputs * outputs).map(|index| (index % 251) as f32).collect();
        let by_output: Vec<f32> =
            (0..outputs * inputs).map(|index| by_input[index % inputs * outputs + index / inputs]).collect();
        let whole = PackedMatrix::from_inputs(precision, &by_input, inputs, outputs);
        assert_eq!((whole.precision(), whole.inputs(), whole.outputs()), (precision, inputs, outputs));
        assert_eq!(whole, PackedMatrix::from_outputs(precision, &by_output, inputs, outputs));
        let mut parts = [(); 2].map(|()| PackedMatrix::zeros(precision, inputs, outputs));
        // Three inputs at a time, so that pairs of inputs are set in two calls.
        for (part, rows) in by_input.chunks((3 * outputs).max(1)).enumerate() {
            parts[0].set_inputs(3 * part, &vec![7.0; rows.len()]);
            parts[0].set_inputs(3 * part, rows);
        }
        for (part, rows) in by_output.chunks(7 * inputs).enumerate() {
            parts[1].set_outputs(7 * part, rows);
        }
        assert!(parts.iter().all(|part| *part == whole));
        let mut row = vec![0.0; inputs];
        for output in 0..outputs {
            whole.row(output, &mut row);
            assert_eq!(row, by_output[output * inputs..][..inputs]);
        }
    }
}
