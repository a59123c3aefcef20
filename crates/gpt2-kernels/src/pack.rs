//! Weights packed for products.

use crate::format::{Half, Single, Split};
use crate::panels::Panels;
use crate::precision::Precision;

/// A matrix of weights in panels of sixteen outputs, the only copy of them that is kept.
///
/// Panel `p` has one line for each input (in bf16, for each pair of inputs): the weights from there to outputs
/// `16·p..16·p + 16`, zero beyond the last output. A product then reads each panel from its first byte to its last.
///
/// A matrix can be filled range by range, so that a memory-mapped file never needs a second copy:
/// ```
/// # use gpt2_kernels::{PackedMatrix, Precision};
/// let mut weights = PackedMatrix::zeros(2, 3);
/// weights.set_inputs(0, &[1.0, 2.0, 3.0]);
/// weights.set_inputs(1, &[4.0, 5.0, 6.0]);
/// assert_eq!(weights, PackedMatrix::from_inputs(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3));
/// assert_eq!(weights, PackedMatrix::from_outputs(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], 2, 3));
///
/// let mut rounded = PackedMatrix::zeros_with(Precision::Bf16, 2, 1);
/// rounded.set_outputs(0, &[1.0, 1.001]);
/// let mut row = [0.0; 2];
/// rounded.row(0, &mut row);
/// assert_eq!(row, [1.0, 1.0]);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PackedMatrix(AnyPanels);

/// Panels of each [`Precision`].
#[derive(Debug, Clone, PartialEq)]
pub enum AnyPanels {
    /// Of [`Precision::F32`].
    F32(Panels<Single>),
    /// Of [`Precision::Bf16x3`].
    Bf16x3(Panels<Split>),
    /// Of [`Precision::Bf16`].
    Bf16(Panels<Half>),
}

/// Evaluates an expression with the panels of a matrix, whatever their precision.
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
    /// All weights 0, in f32.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Self::zeros_with(Precision::F32, inputs, outputs)
    }

    /// All weights 0; those that are set later are kept in `precision`.
    pub fn zeros_with(precision: Precision, inputs: usize, outputs: usize) -> Self {
        Self(match precision {
            Precision::F32 => AnyPanels::F32(Panels::zeros(inputs, outputs)),
            Precision::Bf16x3 => AnyPanels::Bf16x3(Panels::zeros(inputs, outputs)),
            Precision::Bf16 => AnyPanels::Bf16(Panels::zeros(inputs, outputs)),
        })
    }

    /// From `weights` of shape `[inputs, outputs]`, row after row: how Hugging Face's `Conv1D` has them. In f32.
    ///
    /// # Panics
    /// If `weights` has another length.
    pub fn from_inputs(weights: &[f32], inputs: usize, outputs: usize) -> Self {
        Self::from_inputs_with(Precision::F32, weights, inputs, outputs)
    }

    /// [`Self::from_inputs`] in any precision.
    ///
    /// # Panics
    /// As that does.
    pub fn from_inputs_with(precision: Precision, weights: &[f32], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "{inputs} × {outputs} weights");
        let mut packed = Self::zeros_with(precision, inputs, outputs);
        packed.set_inputs(0, weights);
        packed
    }

    /// From `weights` of shape `[outputs, inputs]`, row after row: how a token embedding, `[vocabulary, width]`, is
    /// an output projection. In f32.
    ///
    /// # Panics
    /// If `weights` has another length.
    pub fn from_outputs(weights: &[f32], inputs: usize, outputs: usize) -> Self {
        Self::from_outputs_with(Precision::F32, weights, inputs, outputs)
    }

    /// [`Self::from_outputs`] in any precision.
    ///
    /// # Panics
    /// As that does.
    pub fn from_outputs_with(precision: Precision, weights: &[f32], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "{outputs} × {inputs} weights");
        let mut packed = Self::zeros_with(precision, inputs, outputs);
        packed.set_outputs(0, weights);
        packed
    }

    /// Overwrites the weights of some inputs with rows of `[inputs, outputs]`; `first` is the input of the first.
    ///
    /// # Panics
    /// If `rows` are no whole number of rows, or reach beyond the last input.
    pub fn set_inputs(&mut self, first: usize, rows: &[f32]) {
        with_panels!(&mut self.0, panels => panels.set_inputs(first, rows));
    }

    /// Overwrites the weights of some outputs with rows of `[outputs, inputs]`; `first` is the output of the first.
    ///
    /// # Panics
    /// If `rows` are no whole number of rows, or reach beyond the last output.
    pub fn set_outputs(&mut self, first: usize, rows: &[f32]) {
        with_panels!(&mut self.0, panels => panels.set_outputs(first, rows));
    }

    /// Reads the weights of one output back, as they are kept: a row of `[outputs, inputs]`, the embedding of token
    /// `output`.
    ///
    /// # Panics
    /// If there is no such output, or `row` has not one place for each input.
    pub fn row(&self, output: usize, row: &mut [f32]) {
        with_panels!(&self.0, panels => panels.row(output, row));
    }

    /// How the weights are kept.
    pub fn precision(&self) -> Precision {
        match self.0 {
            AnyPanels::F32(_) => Precision::F32,
            AnyPanels::Bf16x3(_) => Precision::Bf16x3,
            AnyPanels::Bf16(_) => Precision::Bf16,
        }
    }

    /// Rows of `[inputs, outputs]`.
    pub fn inputs(&self) -> usize {
        with_panels!(&self.0, panels => panels.inputs())
    }

    /// Columns of `[inputs, outputs]`.
    pub fn outputs(&self) -> usize {
        with_panels!(&self.0, panels => panels.outputs())
    }

    /// Memory that the weights take.
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
    fn both_orders_in_any_ranges_give_the_same_panels() {
        for precision in Precision::ALL {
            for (inputs, outputs) in [(1, 1), (3, 16), (5, 17), (33, 50), (4, 0)] {
                both_orders(precision, inputs, outputs);
            }
        }
    }

    /// The weights are whole numbers that every precision keeps as they are.
    fn both_orders(precision: Precision, inputs: usize, outputs: usize) {
        let by_input: Vec<f32> = (0..inputs * outputs).map(|index| (index % 251) as f32).collect();
        let by_output: Vec<f32> =
            (0..outputs * inputs).map(|index| by_input[index % inputs * outputs + index / inputs]).collect();
        let whole = PackedMatrix::from_inputs_with(precision, &by_input, inputs, outputs);
        assert_eq!((whole.precision(), whole.inputs(), whole.outputs()), (precision, inputs, outputs));
        assert_eq!(whole, PackedMatrix::from_outputs_with(precision, &by_output, inputs, outputs));
        let mut parts = [(); 2].map(|()| PackedMatrix::zeros_with(precision, inputs, outputs));
        // Three inputs at a time, so that pairs of them are cut.
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
