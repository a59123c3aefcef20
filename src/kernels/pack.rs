//! Weights in the order in which the product reads them.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::vector::{LANES, Line};

/// A matrix of f32 weights in panels of sixteen outputs, the only copy of them that is kept.
///
/// Panel `p` has one line for each input: the weights from that input to outputs `16·p..16·p + 16`, zero beyond
/// the last output. A product then reads each panel from its first byte to its last.
///
/// A matrix can be filled range by range, so that a memory-mapped file never needs a second copy:
/// ```
/// # use gpt2_eval::kernels::PackedMatrix;
/// let mut weights = PackedMatrix::zeros(2, 3);
/// weights.set_inputs(0, &[1.0, 2.0, 3.0]);
/// weights.set_inputs(1, &[4.0, 5.0, 6.0]);
/// assert_eq!(weights, PackedMatrix::from_inputs(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2, 3));
/// assert_eq!(weights, PackedMatrix::from_outputs(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], 2, 3));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PackedMatrix {
    inputs: usize,
    outputs: usize,
    /// `[panels][inputs]`.
    lines: Vec<Line>,
}

impl PackedMatrix {
    /// All weights 0.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, lines: vec![Line::ZERO; inputs * outputs.div_ceil(LANES)] }
    }

    /// From `weights` of shape `[inputs, outputs]`, row after row: how Hugging Face's `Conv1D` has them.
    ///
    /// # Panics
    /// If `weights` has another length.
    pub fn from_inputs(weights: &[f32], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "{inputs} × {outputs} weights");
        let mut packed = Self::zeros(inputs, outputs);
        packed.set_inputs(0, weights);
        packed
    }

    /// From `weights` of shape `[outputs, inputs]`, row after row: how a token embedding, `[vocabulary, width]`, is
    /// an output projection.
    ///
    /// # Panics
    /// If `weights` has another length.
    pub fn from_outputs(weights: &[f32], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "{outputs} × {inputs} weights");
        let mut packed = Self::zeros(inputs, outputs);
        packed.set_outputs(0, weights);
        packed
    }

    /// Overwrites the weights of some inputs with rows of `[inputs, outputs]`; `first` is the input of the first.
    ///
    /// # Panics
    /// If `rows` are no whole number of rows, or reach beyond the last input.
    pub fn set_inputs(&mut self, first: usize, rows: &[f32]) {
        let Some(inputs) = covered(first, rows.len(), self.outputs, self.inputs) else { return };
        self.lines.par_chunks_mut(self.inputs).enumerate().for_each(|(panel, lines)| {
            let outputs = panel * LANES..self.outputs.min((panel + 1) * LANES);
            for (line, row) in lines[inputs.clone()].iter_mut().zip(rows.chunks_exact(self.outputs)) {
                line.0[..outputs.len()].copy_from_slice(&row[outputs.clone()]);
            }
        });
    }

    /// Overwrites the weights of some outputs with rows of `[outputs, inputs]`; `first` is the output of the first.
    ///
    /// # Panics
    /// If `rows` are no whole number of rows, or reach beyond the last output.
    pub fn set_outputs(&mut self, first: usize, rows: &[f32]) {
        let Some(outputs) = covered(first, rows.len(), self.inputs, self.outputs) else { return };
        let first_panel = outputs.start / LANES;
        let panels = first_panel * self.inputs..outputs.end.div_ceil(LANES) * self.inputs;
        self.lines[panels].par_chunks_mut(self.inputs).enumerate().for_each(|(panel, lines)| {
            let start = (first_panel + panel) * LANES;
            let here = outputs.start.max(start)..outputs.end.min(start + LANES);
            for output in here {
                let row = &rows[(output - outputs.start) * self.inputs..][..self.inputs];
                for (line, weight) in lines.iter_mut().zip(row) {
                    line.0[output - start] = *weight;
                }
            }
        });
    }

    /// Reads the weights of one output back: a row of `[outputs, inputs]`, the embedding of token `output`.
    ///
    /// # Panics
    /// If there is no such output, or `row` has not one place for each input.
    pub fn row(&self, output: usize, row: &mut [f32]) {
        assert!(output < self.outputs, "output {output} of {}", self.outputs);
        assert_eq!(row.len(), self.inputs, "one place for each input");
        for (weight, line) in row.iter_mut().zip(self.panel(output / LANES)) {
            *weight = line.0[output % LANES];
        }
    }

    /// Rows of `[inputs, outputs]`.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Columns of `[inputs, outputs]`.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Memory that the weights take.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }

    pub(crate) fn panels(&self) -> usize {
        self.outputs.div_ceil(LANES)
    }

    /// One line for each input.
    pub(crate) fn panel(&self, panel: usize) -> &[Line] {
        &self.lines[panel * self.inputs..][..self.inputs]
    }
}

/// The rows that `values` numbers are, from `first` on; none if there are none.
fn covered(first: usize, values: usize, width: usize, rows: usize) -> Option<Range<usize>> {
    if values == 0 {
        return None;
    }
    assert!(width > 0 && values.is_multiple_of(width), "{values} numbers in rows of {width}");
    let end = first + values / width;
    assert!(end <= rows, "rows up to {end} of {rows}");
    Some(first..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_in_any_ranges_give_the_same_panels() {
        for (inputs, outputs) in [(1, 1), (3, 16), (5, 17), (33, 50), (4, 0)] {
            let by_input: Vec<f32> = (0..inputs * outputs).map(|index| index as f32).collect();
            let by_output: Vec<f32> = (0..outputs * inputs)
                .map(|index| by_input[index % inputs * outputs + index / inputs])
                .collect();
            let whole = PackedMatrix::from_inputs(&by_input, inputs, outputs);
            assert_eq!(whole, PackedMatrix::from_outputs(&by_output, inputs, outputs));
            let mut parts = [PackedMatrix::zeros(inputs, outputs), PackedMatrix::zeros(inputs, outputs)];
            for (first, rows) in by_input.chunks((2 * outputs).max(1)).enumerate() {
                parts[0].set_inputs(2 * first, rows);
            }
            for (first, rows) in by_output.chunks(7 * inputs).enumerate() {
                parts[1].set_outputs(7 * first, rows);
            }
            assert!(parts.iter().all(|part| *part == whole));
            let mut row = vec![0.0; inputs];
            for output in 0..outputs {
                whole.row(output, &mut row);
                assert_eq!(row, by_output[output * inputs..][..inputs]);
            }
        }
    }
}
