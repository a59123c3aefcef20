//! Weights of one [`Format`] in the order in which the GEMM reads them.

use std::ops::Range;

use rayon::prelude::*;

use crate::format::Format;
use crate::layout::LANES;

/// A [`PackedMatrix`](crate::PackedMatrix) in one number format.
///
/// Panel `p` has one line for each [`Format::INPUTS`] inputs: the weights from those inputs to outputs
/// `16·p..16·p + 16`. Lines come in groups of [`Format::GROUP`]. Weights beyond the last input or output are zero.
#[derive(Debug, Clone, PartialEq)]
pub struct Panels<F: Format> {
    inputs: usize,
    outputs: usize,
    /// `[panels][lines]`.
    lines: Vec<F::Line>,
}

impl<F: Format> Panels<F> {
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        let length = depth::<F>(inputs) * outputs.div_ceil(LANES);
        Self { inputs, outputs, lines: vec![F::ZERO; length] }
    }

    /// See [`PackedMatrix::set_inputs`](crate::PackedMatrix::set_inputs).
    pub fn set_inputs(&mut self, first: usize, rows: &[f32]) {
        let Some(inputs) = covered(first, rows.len(), self.outputs, self.inputs) else { return };
        let outputs = self.outputs;
        self.lines.par_chunks_mut(depth::<F>(self.inputs)).enumerate().for_each(|(panel, lines)| {
            let columns = panel * LANES..outputs.min((panel + 1) * LANES);
            for (input, row) in inputs.clone().zip(rows.chunks_exact(outputs)) {
                let line = &mut lines[input / F::INPUTS];
                for (lane, weight) in row[columns.clone()].iter().enumerate() {
                    F::set(line, input % F::INPUTS, lane, *weight);
                }
            }
        });
    }

    /// See [`PackedMatrix::set_outputs`](crate::PackedMatrix::set_outputs).
    pub fn set_outputs(&mut self, first: usize, rows: &[f32]) {
        let Some(outputs) = covered(first, rows.len(), self.inputs, self.outputs) else { return };
        let inputs = self.inputs;
        let depth = depth::<F>(inputs);
        let first_panel = outputs.start / LANES;
        let panels = first_panel * depth..outputs.end.div_ceil(LANES) * depth;
        self.lines[panels].par_chunks_mut(depth).enumerate().for_each(|(panel, lines)| {
            let start = (first_panel + panel) * LANES;
            for output in outputs.start.max(start)..outputs.end.min(start + LANES) {
                let row = &rows[(output - outputs.start) * inputs..][..inputs];
                for (line, weights) in lines.iter_mut().zip(row.chunks(F::INPUTS)) {
                    for (input, weight) in weights.iter().enumerate() {
                        F::set(line, input, output - start, *weight);
                    }
                }
            }
        });
    }

    /// See [`PackedMatrix::row`](crate::PackedMatrix::row).
    pub fn row(&self, output: usize, row: &mut [f32]) {
        assert!(output < self.outputs, "output {output} of {}", self.outputs);
        assert_eq!(row.len(), self.inputs, "length of a row");
        for (weights, line) in row.chunks_mut(F::INPUTS).zip(self.panel(output / LANES)) {
            for (input, weight) in weights.iter_mut().enumerate() {
                *weight = F::get(line, input, output % LANES);
            }
        }
    }

    pub fn inputs(&self) -> usize {
        self.inputs
    }

    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(self.lines.as_slice())
    }

    /// Number of panels.
    pub fn count(&self) -> usize {
        self.outputs.div_ceil(LANES)
    }

    /// The lines of one panel.
    pub fn panel(&self, panel: usize) -> &[F::Line] {
        let depth = depth::<F>(self.inputs);
        &self.lines[panel * depth..][..depth]
    }
}

/// Lines of a panel.
fn depth<F: Format>(inputs: usize) -> usize {
    inputs.div_ceil(F::INPUTS).next_multiple_of(F::GROUP)
}

/// The rows that `values` numbers cover, from row `first` on; `None` if there are no numbers.
fn covered(first: usize, values: usize, width: usize, rows: usize) -> Option<Range<usize>> {
    if values == 0 {
        return None;
    }
    assert!(width > 0 && values.is_multiple_of(width), "{values} numbers in rows of {width}");
    let end = first + values / width;
    assert!(end <= rows, "row {end} of {rows}");
    Some(first..end)
}
